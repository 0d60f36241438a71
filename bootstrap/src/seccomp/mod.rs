//! placeholder
/// f
pub struct Filter {
    /// p
    pub program: Vec<libc::sock_filter>,
}
/// f
pub fn filter() -> Filter {
    Filter { program: vec![libc::sock_filter { code: 6, jt: 0, jf: 0, k: 0x7fff0000 }] }
}
