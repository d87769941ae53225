//! One subcommand each.

mod ab;
mod bench;
mod check;
mod compare;
mod image;
mod import;
mod page;
mod report;
mod run;
mod spec_file;

use crate::cli::{Cli, Command, Image};
use crate::error::{Category, Error};
use crate::{guardian, initiator, output, samba};
use std::process::ExitCode;
use std::time::Instant;

/// Does what was typed; gives the exit code.
#[must_use]
pub fn dispatch(cli: Cli, started: Instant) -> ExitCode {
    match cli.command {
        Command::Run(run) => code(run::run(run, started)),
        Command::Up(up) => code(run::up(up, started)),
        Command::Bench(command) => code(bench::run(command, started)),
        Command::Check(command) => code(check::check(&command)),
        Command::Image(Image::Build(build)) => code(image::build(build)),
        Command::Image(Image::List { file }) => code(image::list(&file)),
        Command::Import(command) => code(import::import(command)),
        Command::Report(command) => code(page::report(&command)),
        Command::Ab(command) => code(ab::run(&command, started)),
        Command::Compare(command) => code(compare::run(&command)),
        Command::Guardian { directory } if guardian::leads_its_group() => {
            guardian::watch(&directory)
        }
        Command::Guardian { .. } => {
            code(Err(Error::usage("the guardian is started by lunlab itself only")))
        }
        Command::Initiator => initiator::child::main(),
        Command::SmbConnection { socket } => code(samba::handover::give(&socket).map(|()| 0)),
    }
}

fn code(outcome: Result<u8, Error>) -> ExitCode {
    ExitCode::from(outcome.unwrap_or_else(|error| {
        output::error(&error);
        match error.category() {
            Category::Usage => 2,
            Category::Environment | Category::Internal => 3,
            Category::Boot => 4,
        }
    }))
}
