//! Tills' requests: the header as text, and what it signs.

use super::{KEY, OPENING, Target};
use quan::domain::TerminalId;
use quan::merchant::terminal::{Header, Refused, Request, TerminalRules, Terminals, sign};
use quan::pass::Keys;

const REQUEST: Request = Request {
    method: "POST",
    target: "/v1/campaigns/xiangning-2023/redemptions",
    body: br#"{"order":"A-1","code":"6207000000123456780"}"#,
};
const NONCE: [u8; 16] = [5; 16];

pub(crate) fn target() -> Target {
    let terminal: TerminalId = "T-0001".parse().unwrap();
    let keys = Keys::new([(1, KEY.as_slice())]).unwrap();
    let known = [(terminal, keys.clone())].into_iter().collect();
    let rules = TerminalRules { window_s: 60.try_into().unwrap(), requests: 9.try_into().unwrap() };
    let good = sign(terminal, &keys, &REQUEST, OPENING, NONCE);
    let mut parts: Vec<&str> = good.split_once(' ').unwrap().1.split(", ").collect();
    parts.reverse();
    let seeds = vec![good.clone().into(), format!("quan-terminal {}", parts.join(",")).into()];
    let look = move |input: &[u8]| {
        let hear = |header: &Header, request: &Request| {
            Terminals::new(&known, rules).hear(header, request, OPENING)
        };
        let ours: Header = good.parse().unwrap();
        if input != REQUEST.body {
            let altered = hear(&ours, &Request { body: input, ..REQUEST });
            assert_eq!(altered, Err(Refused::SignatureInvalid));
        }
        // Whatever a till signs is heard.
        let text = String::from_utf8_lossy(input);
        let any = Request { method: "PUT", target: &text, body: input };
        let header = sign(terminal, &keys, &any, OPENING, NONCE);
        assert_eq!(hear(&header.parse().unwrap(), &any), Ok(terminal));
        let header = match text.parse::<Header>() {
            Err(why) => return format!("{why:?}"),
            Ok(header) => header,
        };
        assert_eq!(header.to_string().parse(), Ok(header));
        if let Err(why) = hear(&header, &REQUEST) {
            return quan::domain::Refusal::from(why).code().into();
        }
        assert_eq!(header.to_string(), good, "an altered header was heard");
        format!("good {}", text == good)
    };
    Target { seeds, look: Box::new(look) }
}
