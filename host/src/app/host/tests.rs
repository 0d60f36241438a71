//! A host with real sandboxes and Python in them. Needs root and the built program; else SKIP.

mod bench;
mod frozen;
mod lab;
mod many;
mod resets;
