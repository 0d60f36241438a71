//! The server over real loopback sockets, spoken to in raw bytes.

mod client;
mod conversation;
mod extensions;
mod fuzz;
mod limits;
mod malformed;
mod restore;
mod speed;
mod streams;
