//! What keeps the kernel, or the dynamic loader, from running a file.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use goblin::elf::Elf;
use goblin::elf::header::{EM_386, EM_AARCH64, EM_ARM, EM_RISCV, EM_X86_64, machine_to_str};

use super::libraries::Libraries;

/// The largest program that is looked into: a package's own limit.
const MOST_BYTES: u64 = 262_144_000;
/// Where the kernel stops reading a script's first line (`BINPRM_BUF_SIZE`).
const FIRST_LINE_BYTES: usize = 256;
/// Directories of the search path inside.
const PATH: [&str; 6] =
    ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Why a program does not run. `Display` goes on after its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The first line of a script ends as on Windows.
    CarriageReturn { interpreter: String },
    /// A script's interpreter is not in the sandbox.
    NoInterpreter { interpreter: String },
    /// Neither a script nor a program.
    NoProgram,
    /// A program for another processor.
    Machine { is: String, wanted: &'static str },
    /// The loader that a program names is not in the sandbox.
    NoLoader { loader: String },
    /// A library is not to be found.
    Library { library: String, needed_by: Option<String> },
    /// The C library of this machine is older than the program asks for.
    Glibc { wanted: String, has: String },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CarriageReturn { interpreter } => write!(
                f,
                "has Windows line endings: the kernel looks for `{interpreter}\\r`; convert it with \
                 sed -i 's/\\r$//', and keep it so with `bootstrap text eol=lf` in .gitattributes"
            ),
            Self::NoInterpreter { interpreter } => write!(
                f,
                "asks in its first line for {interpreter}, which is not in the sandbox; bring it along in \
                 the package (/var/task/…) or a layer (/opt/…), or name one that is in /usr/bin"
            ),
            Self::NoProgram => f.write_str(
                "is neither a program for Linux nor a script that begins with #!; build it for Linux, or \
                 begin it with a line such as #!/bin/sh",
            ),
            Self::Machine { is, wanted } => write!(
                f,
                "is built for {is}, and this machine is {wanted}; build it for that ({})",
                match *wanted {
                    "aarch64" => "GOARCH=arm64, cargo --target aarch64-unknown-linux-gnu",
                    _ => "GOARCH=amd64, cargo --target x86_64-unknown-linux-gnu",
                }
            ),
            Self::NoLoader { loader } => write!(
                f,
                "is linked for another C library: its loader {loader} is not in the sandbox; link it \
                 statically, or against glibc"
            ),
            Self::Library { library, needed_by } => {
                write!(f, "needs {library}")?;
                if let Some(by) = needed_by {
                    write!(f, " (for {by})")?;
                }
                f.write_str(
                    ", which is neither in the package, nor in a layer, nor on this machine; put it into \
                     lib/ of the package, or link statically",
                )
            }
            Self::Glibc { wanted, has } => write!(
                f,
                "is built against glibc {wanted} or newer, and this machine has {has}; build it on an older \
                 system (AWS's provided.al2023 has 2.34), or link statically"
            ),
        }
    }
}

/// What is wrong with a program, if anything is that can be told.
pub(super) fn fault(file: &Path, task: &Path, layers: Option<&Path>) -> Option<Fault> {
    let opened = File::open(file).ok()?;
    let mut bytes = Vec::new();
    opened.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    if let Some(line) = bytes.strip_prefix(b"#!") {
        return of_script(line, task, layers);
    }
    if !bytes.starts_with(b"\x7fELF") {
        return Some(Fault::NoProgram);
    }
    if let Some(is) = other_machine(&bytes) {
        return Some(Fault::Machine { is, wanted: std::env::consts::ARCH });
    }
    let elf = Elf::parse(&bytes).ok()?;
    let libraries = Libraries::of_sandbox(task, layers);
    if let Some(loader) = elf.interpreter
        && !libraries.host_of(Path::new(loader)).exists()
    {
        return Some(Fault::NoLoader { loader: loader.to_owned() });
    }
    libraries.missing(&elf, file)
}

fn of_script(rest: &[u8], task: &Path, layers: Option<&Path>) -> Option<Fault> {
    let line = rest.get(..FIRST_LINE_BYTES.min(rest.len()))?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line).into_owned();
    let mut words = line.split([' ', '\t', '\r']).filter(|word| !word.is_empty());
    let interpreter = words.next()?.to_owned();
    if line.ends_with('\r') {
        return Some(Fault::CarriageReturn { interpreter });
    }
    let there = |path: &Path| Libraries::of_sandbox(task, layers).host_of(path).is_file();
    if !there(Path::new(&interpreter)) {
        return Some(Fault::NoInterpreter { interpreter });
    }
    // `#!/usr/bin/env NAME`
    let named = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
    let is_found = PATH.iter().any(|directory| there(&Path::new(directory).join(named)));
    (interpreter.ends_with("/env") && !is_found)
        .then(|| Fault::NoInterpreter { interpreter: named.to_owned() })
}

/// The processor a program is for, if it is not this one. Read by hand: the rest of the file may be cut
/// off, or nothing but this header.
fn other_machine(bytes: &[u8]) -> Option<String> {
    let wanted = match std::env::consts::ARCH {
        "x86_64" => EM_X86_64,
        "aarch64" => EM_AARCH64,
        _ => return None,
    };
    // e_machine, 16 bits at offset 18; byte 5 of the identification tells their order (elf(5)).
    let field: [u8; 2] = bytes.get(18..20)?.try_into().ok()?;
    let machine = match bytes.get(5)? {
        2 => u16::from_be_bytes(field),
        _ => u16::from_le_bytes(field),
    };
    (machine != wanted).then(|| match machine {
        EM_AARCH64 => "aarch64 (arm64)".to_owned(),
        EM_X86_64 => "x86_64 (amd64)".to_owned(),
        EM_386 => "i386".to_owned(),
        EM_ARM => "32-bit ARM".to_owned(),
        EM_RISCV => "RISC-V".to_owned(),
        other => machine_to_str(other).to_owned(),
    })
}

/// The host's file for a path inside.
pub(super) fn on_host(path: &Path, task: &Path, layers: Option<&Path>) -> PathBuf {
    let below = |root: &Path, prefix: &str| Some(root.join(path.strip_prefix(prefix).ok()?));
    below(task, "/var/task").or_else(|| below(layers?, "/opt")).unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests;
