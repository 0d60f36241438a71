//! Every `unsafe` of the project: system calls that neither nix nor rustix wraps, or that are
//! unsafe by nature (fork, exec). Each function is safe to call; what makes it so stands in its
//! SAFETY comment.
//!
//! # Not here
//! Policy. A function here does one call, checks its result and returns `io::Result`.
//!
//! # Sources
//! The manual pages each file names.

mod call;
mod descriptor;
mod device;
mod mount;
mod privilege;
mod process;
mod schedule;

pub use descriptor::{
    close_from, close_on_exec, close_on_exec_from, close_on_exec_if_open, forget_descriptor,
    inherited_descriptor, place_descriptor, write_and_exit,
};
pub use device::{loop_configure, loop_free_index, loop_remove, loopback_up};
pub use mount::{
    ATTR_NO_DEV, ATTR_NO_EXEC, ATTR_NO_SUID, ATTR_READ_ONLY, mount_attributes, move_mount,
    open_tree,
};
pub use privilege::{
    Dumpable, drop_capabilities, hold_only_sys_admin, install_seccomp, keep_capabilities,
    keep_capabilities_at_exec, new_session_keyring, no_new_privileges, set_dumpable,
};
pub use process::{
    Side, clone3, default_signals, die_with_parent, exec, exec_fd, exit_now, fork,
    reap_children_automatically, set_name,
};
pub use schedule::{
    IO_CLASS_REAL_TIME, io_class, schedule_as_others, scheduling_policy, take_no_io_class,
};
