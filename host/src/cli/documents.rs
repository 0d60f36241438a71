//! Completion scripts and manual pages, made from the same description as the parser.

use std::io;

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;

/// A completion script.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lambdabox", &mut script);
    script
}

/// The manual page of the whole, or of one command; `None` if there is no such command.
///
/// # Errors
/// None in practice: it is written to memory.
pub(crate) fn manual(command: Option<&str>) -> io::Result<Option<Vec<u8>>> {
    let mut whole = Cli::command();
    whole.build();
    let described = match command {
        None => Some(&whole),
        Some(name) => whole.find_subcommand(name),
    };
    let Some(described) = described else { return Ok(None) };
    let mut page = Vec::new();
    let source = concat!("lambdabox ", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(described.clone()).source(source).render(&mut page)?;
    Ok(Some(page))
}

/// The commands that have a page.
pub(crate) fn commands() -> Vec<String> {
    Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}
