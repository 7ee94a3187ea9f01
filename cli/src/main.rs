//! The `pannier` command.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use pannier_cli::commands;

#[derive(Parser)]
#[command(name = "pannier", version, about = "Food-delivery order dispatch that you run yourself")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Only private PostgreSQL, Redis and RabbitMQ, for tests run by hand.
    #[command(hide = true)]
    DevServers {
        /// The data folder.
        #[arg(long)]
        data: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::DevServers { data } => commands::dev_servers::run(&data).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pannier: {error:#}");
            ExitCode::FAILURE
        }
    }
}
