mod boundaries;
mod crash;
mod hostile;
mod nodes;
mod phones;
pub(crate) mod site;
pub(crate) mod till;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

/// What the ops port tells.
pub(crate) fn metrics(ops: SocketAddr) -> String {
    let mut stream = TcpStream::connect(ops).expect("it listens");
    let request = b"GET /metrics HTTP/1.1\r\nhost: quan\r\nconnection: close\r\n\r\n";
    stream.write_all(request).expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    text
}
