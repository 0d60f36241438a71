//! Each kind of machine as a small tree of files, and this machine itself.

mod cases;
mod machine;
mod networks;
mod prints;
