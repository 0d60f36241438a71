//! Where a Python's packages are: its own, a virtual environment's, and AWS's SDK among them.
//!
//! Only paths are worked out here. A whole site directory is never put on a function's path (one
//! stray `.pth` file cost 19 ms at each start); what is offered is named piece by piece.
//!
//! # Sources
//! CPython `Lib/site.py` and Debian's `dist-packages`; PEP 405 (`pyvenv.cfg`); `performance.md` 2.5.

mod sdk;
mod site;
mod venv;

pub use sdk::{Sdk, sdk};
pub(crate) use site::{site_directories, venv_site_directories};
pub use venv::{VenvConfig, VenvError, venv_identifier, venv_site_packages};
