//! Devices: the loopback interface and loop block devices.
//!
//! # Sources
//! `netdevice(7)`, `loop(4)`, linux/loop.h.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::call::check;

/// Sets the loopback interface of the caller's network namespace up.
///
/// # Errors
/// The kernel's.
pub fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        None,
    )?;
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: libc::IFF_UP as libc::c_short },
    };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    // SAFETY: SIOCSIFFLAGS reads the ifreq, which is whole and outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    check(libc::c_long::from(result)).map(drop)
}

/// The number of a loop device that nothing is attached to; the kernel makes one if there is none.
///
/// Another process may attach to it first: [`loop_configure`] then answers EBUSY, and the caller asks
/// again. `control` is `/dev/loop-control` (loop(4), `LOOP_CTL_GET_FREE`).
pub fn loop_free_index(control: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: `LOOP_CTL_GET_FREE` takes no argument and touches no memory of ours.
    let index = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
    u32::try_from(index).map_err(|_| io::Error::last_os_error())
}

/// Attaches an image to a loop device, read-write; it detaches itself when the last user is gone
/// (last close and last unmount; `LO_FLAGS_AUTOCLEAR`), also if that user is killed.
///
/// One call for what took two before Linux 5.8, so no half-attached device is ever left behind.
pub fn loop_configure(device: BorrowedFd<'_>, image: BorrowedFd<'_>) -> io::Result<()> {
    let config = LoopConfig {
        fd: image.as_raw_fd() as u32,
        block_size_bytes: LOOP_BLOCK_BYTES,
        info: LoopInfo { flags: LO_FLAGS_AUTOCLEAR, ..LoopInfo::ZERO },
        reserved: [0; 8],
    };
    // SAFETY: `config` is laid out as `struct loop_config` and outlives the call, which only reads it.
    // The kernel takes its own reference to the file behind `fd`.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Removes a loop device itself. EBUSY if it is in use, ENODEV if there is none of this number.
pub fn loop_remove(control: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    // SAFETY: `LOOP_CTL_REMOVE` takes a number and touches no memory of ours.
    let result =
        unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_REMOVE, libc::c_ulong::from(index)) };
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

// linux/loop.h; the libc crate has none of it.
const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
const LOOP_CTL_REMOVE: libc::Ioctl = 0x4C81;
const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
/// The block size of the file systems put on it, so that each of its writes is one of the device's.
const LOOP_BLOCK_BYTES: u32 = 4096;

/// `struct loop_config` of linux/loop.h.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size_bytes: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// `struct loop_info64` of linux/loop.h.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

impl LoopInfo {
    const ZERO: Self = Self {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: 0,
        sizelimit: 0,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: 0,
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    };
}

const _: () = assert!(size_of::<LoopConfig>() == 304, "as linux/loop.h");
