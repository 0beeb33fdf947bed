//! HTTP/1.1 as a client needs it: requests are written as bytes, answers are read from bytes.
//!
//! A general client library costs more CPU time a request than the server under test may have: both share a machine.

use std::borrow::Cow;
use std::io::Write;

/// The largest answer that is read.
const MOST_BYTES: usize = 1 << 20;

/// Appends a POST of a JSON body.
pub(crate) fn post(head: &[u8], bearer: Option<&str>, body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(head);
    if let Some(token) = bearer {
        out.extend_from_slice(b"authorization: Bearer ");
        out.extend_from_slice(token.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    let _ = write!(out, "content-length: {}\r\n\r\n", body.len()); // a Vec takes everything
    out.extend_from_slice(body);
}

/// Appends a POST that a till signed; without a body it says nothing.
pub(crate) fn signed(target: &str, host: &str, who: &str, body: &[u8], out: &mut Vec<u8>) {
    // A Vec takes everything.
    let _ = write!(out, "POST {target} HTTP/1.1\r\nhost: {host}\r\nauthorization: {who}\r\n");
    if !body.is_empty() {
        out.extend_from_slice(b"content-type: application/json\r\n");
    }
    let _ = write!(out, "content-length: {}\r\n\r\n", body.len());
    out.extend_from_slice(body);
}

/// The head of a POST to `path`, up to the lines that [`post`] adds.
pub(crate) fn post_head(path: &str, host: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n")
        .into_bytes()
}

/// A GET of `path`.
pub(crate) fn get(path: &str, host: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").into_bytes()
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    pub(crate) body: Cow<'a, [u8]>,
    /// Whether the connection can be used again.
    pub(crate) keep: bool,
}

/// What bytes received so far are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read<'a> {
    /// An answer.
    Whole(Response<'a>),
    /// The beginning of one.
    Partial,
    /// None.
    Garbled,
}

/// Reads an answer. One request is in flight at a time, so bytes after the answer are none of ours: `keep` is false.
pub(crate) fn read(bytes: &[u8]) -> Read<'_> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > MOST_BYTES { Read::Garbled } else { Read::Partial };
    };
    let (head, rest) = bytes.split_at(end);
    let rest = rest.get(4..).unwrap_or_default();
    whole(head, rest).unwrap_or(Read::Garbled)
}

fn whole<'a>(head: &'a [u8], rest: &'a [u8]) -> Option<Read<'a>> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let first = lines.next()?.strip_prefix("HTTP/1.1 ")?;
    let status: u16 = first.get(..3)?.parse().ok()?;
    let (mut length, mut chunked, mut keep) = (0_usize, false, true);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().ok().filter(|&length| length <= MOST_BYTES)?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            keep = !value.eq_ignore_ascii_case("close");
        }
    }
    if (100..200).contains(&status) {
        return None; // nobody asked for an interim answer
    }
    if chunked {
        return chunks(rest).map(|chunks| match chunks {
            Some((body, after)) => {
                let keep = keep && after.is_empty();
                Read::Whole(Response { status, body: Cow::Owned(body), keep })
            }
            None => Read::Partial,
        });
    }
    let Some((body, after)) = rest.split_at_checked(length) else { return Some(Read::Partial) };
    let keep = keep && after.is_empty();
    Some(Read::Whole(Response { status, body: Cow::Borrowed(body), keep }))
}

/// The body out of its chunks and what follows it; `Some(None)` when more must come, `None` when it is garbled.
#[expect(
    clippy::option_option,
    reason = "garbled and unfinished are two things; seen in this file only"
)]
fn chunks(mut rest: &[u8]) -> Option<Option<(Vec<u8>, &[u8])>> {
    let mut body = vec![];
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
            return (rest.len() < 64).then_some(None);
        };
        let (size, after) = rest.split_at(end);
        let size = std::str::from_utf8(size).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok().filter(|&size| size <= MOST_BYTES)?;
        let Some((chunk, after)) = after.get(2..)?.split_at_checked(size) else {
            return Some(None);
        };
        let Some((close, after)) = after.split_at_checked(2) else { return Some(None) };
        if close != b"\r\n" || body.len() > MOST_BYTES {
            return None; // trailers are not spoken here
        }
        if size == 0 {
            return Some(Some((body, after)));
        }
        body.extend_from_slice(chunk);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(status: u16, body: &[u8], keep: bool) -> Read<'_> {
        Read::Whole(Response { status, body: Cow::Borrowed(body), keep })
    }

    #[test]
    fn an_answer_is_read_and_every_beginning_of_it_is_partial() {
        for bytes in [
            b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\ncontent-length: 5\r\n\r\nhello".as_slice(),
            b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
        ] {
            assert_eq!(read(bytes), whole(201, b"hello", true));
            for length in 0..bytes.len() {
                assert_eq!(read(&bytes[..length]), Read::Partial, "{length} bytes");
            }
        }
    }

    #[test]
    fn a_connection_that_closes_or_says_more_than_asked_is_not_used_again() {
        let closing = b"HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(read(closing), whole(503, b"", false));
        let more = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab";
        assert_eq!(read(more), whole(200, b"a", false));
    }

    #[test]
    fn what_is_no_answer_is_garbled() {
        for bytes in [
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 2x0 OK\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n",
        ] {
            assert_eq!(read(bytes.as_bytes()), Read::Garbled, "{bytes}");
        }
    }

    #[test]
    fn a_request_is_written_as_the_standard_says() {
        let mut out = vec![];
        post(&post_head("/v1/x", "host:1"), Some("abc"), b"{}", &mut out);
        let want = "POST /v1/x HTTP/1.1\r\nhost: host:1\r\ncontent-type: application/json\r\n\
                    authorization: Bearer abc\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(String::from_utf8(out).unwrap(), want);
        assert_eq!(get("/v1/time", "h"), b"GET /v1/time HTTP/1.1\r\nhost: h\r\n\r\n");
    }
}
