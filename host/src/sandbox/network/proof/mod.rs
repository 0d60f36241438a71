//! `nat` proven between network namespaces of the test's own. Needs root, `ip`, `nft`; says SKIP
//! where one is missing. Every refusal has its counterpart: the same service answers somebody else.

mod flushed;
mod given_back;
mod lab;
mod loopback;
mod reach;
mod slirp;
mod times;
