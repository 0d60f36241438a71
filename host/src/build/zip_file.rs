//! A package as one zip, the same bytes for the same files.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipWriter};

use super::error::BuildError;

/// Writes everything in `package` into a new zip.
pub(super) fn write(package: &Path, zip: &Path) -> Result<(), BuildError> {
    let file = File::create(zip).map_err(BuildError::file("write", zip))?;
    let mut writer = ZipWriter::new(BufWriter::new(file));
    added(&mut writer, package, "", zip)?;
    let wrong = |source| BuildError::Zip { path: zip.to_owned(), source };
    let file = writer.finish().map_err(wrong)?;
    file.into_inner()
        .map_err(|error| error.into_error())
        .map_err(BuildError::file("write", zip))?;
    Ok(())
}

fn added(
    writer: &mut ZipWriter<BufWriter<File>>,
    directory: &Path,
    prefix: &str,
    zip: &Path,
) -> Result<(), BuildError> {
    let wrong = |source| BuildError::Zip { path: zip.to_owned(), source };
    let entries = fs::read_dir(directory).map_err(BuildError::file("read", directory))?;
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let metadata = entry.metadata().map_err(BuildError::file("read", &path))?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        // One moment for all, so that the same files make the same zip.
        let options = SimpleFileOptions::default()
            .last_modified_time(DateTime::default())
            .unix_permissions(metadata.permissions().mode() & 0o777);
        if metadata.is_dir() {
            added(writer, &path, &format!("{name}/"), zip)?;
        } else if metadata.is_symlink() {
            let leads = fs::read_link(&path).map_err(BuildError::file("read", &path))?;
            writer.add_symlink(name, leads.to_string_lossy(), options).map_err(wrong)?;
        } else {
            writer.start_file(name, options).map_err(wrong)?;
            let mut file = File::open(&path).map_err(BuildError::file("read", &path))?;
            io::copy(&mut file, writer).map_err(BuildError::file("pack", &path))?;
        }
    }
    Ok(())
}
