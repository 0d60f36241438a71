//! stub
use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};
/// x
#[derive(Debug)]
pub struct TmpImage;
/// x
#[derive(Debug)]
pub struct TmpImages;
/// x
#[derive(Debug)]
pub struct Means;
/// x
#[derive(Debug, thiserror::Error)]
#[error("loop devices are not ready")]
pub struct Missing;
impl Missing {
    /// x
    pub fn remedy(&self) -> &'static str {
        "wait"
    }
}
/// x
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct TmpImageError;
impl TmpImages {
    /// x
    pub fn probe() -> Result<Means, Missing> {
        Err(Missing)
    }
    /// x
    pub fn open(_: Means, _: &Path) -> Result<Self, TmpImageError> {
        Err(TmpImageError)
    }
    /// x
    pub fn make(&self, _: u32, _: &Path) -> Result<TmpImage, TmpImageError> {
        Err(TmpImageError)
    }
}
impl TmpImage {
    /// x
    pub const MOUNT_OPTIONS: &str = "";
    /// x
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Other.into())
    }
    /// x
    pub fn device(&self) -> &PathBuf {
        unreachable!()
    }
}
