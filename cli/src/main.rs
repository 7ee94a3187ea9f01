//! The `pannier` command.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{CommandFactory as _, Parser, Subcommand};
use pannier_cli::client::Client;
use pannier_cli::commands::{
    self, alarms::Alarms, audit::Audit, bench::Bench, dlq::Dlq, migrate::Migrate, orders::Orders, outbox::Outbox,
    sim::Sim, token::RoleArg,
};
use pannier_cli::failure::Failure;
use pannier_cli::table::Output;
use pannier_cli::target::TargetArgs;
use pannier_devenv::data_dir::DataDir;

/// Food-delivery order dispatch that you run yourself.
#[derive(Parser)]
#[command(name = "pannier", version, after_help = "Exit status: 0 success, 1 failure, 2 wrong usage, 3 not reachable.")]
struct Cli {
    /// The data folder [default: .pannier in the project]
    #[arg(long, global = true, env = "PANNIER_DATA", hide_env_values = true)]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts everything, with a demo city, and runs until Ctrl-C.
    Up {
        /// Without the demo city.
        #[arg(long)]
        no_demo: bool,
        /// How many times faster than real time the demo city lives.
        #[arg(long, default_value_t = 30.0)]
        speed: f64,
        /// Processes of each service, behind one address each: 1 to 4.
        #[arg(long, default_value_t = 1, value_parser = commands::instances())]
        instances: usize,
        /// With Prometheus and our alerts.
        #[arg(long)]
        observe: bool,
    },
    /// Stops what `up` started.
    Down,
    /// What runs, where, under which pid; with --target, which services of that platform are ready.
    Status {
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        list: List,
    },
    /// Formatting, lints and all tests, with private servers. Arguments go to `cargo test --workspace`, which then runs alone.
    Test {
        /// For `cargo test`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Prints a bearer token.
    Token {
        /// The role that the token carries.
        #[arg(long)]
        role: RoleArg,
        /// The id that it is for, as in `cus_…` [default: one fixed id per role]
        #[arg(long)]
        subject: Option<String>,
        /// How long it lives: 90s, 15m, 12h.
        #[arg(long, default_value = "15m", value_parser = commands::token::parse_ttl)]
        ttl: Duration,
    },
    /// Benchmarks: dispatch on recorded days, and the cost of an order.
    #[command(subcommand)]
    Bench(Bench),
    /// Simulated cities.
    #[command(subcommand)]
    Sim(Sim),
    /// Lists, shows and explains orders.
    Orders {
        #[command(subcommand)]
        what: Orders,
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        list: List,
    },
    /// Lists, shows and replays dead letters of all services.
    Dlq {
        #[command(subcommand)]
        what: Dlq,
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        list: List,
    },
    /// Lists, acknowledges, puts off and resolves alarms of all services.
    Alarms {
        #[command(subcommand)]
        what: Alarms,
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        list: List,
    },
    /// Who of operations did what, when, why, from where, and what it changed.
    Audit {
        #[command(flatten)]
        what: Audit,
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        list: List,
    },
    /// How far the event relays are behind.
    Outbox {
        #[command(subcommand)]
        what: Outbox,
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        list: List,
    },
    /// The life of an order over all services, as a tree with times.
    Trace {
        /// Its id, `ord_…`.
        id: String,
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        list: List,
    },
    /// Looks at everything that a platform needs, with a verdict each and what to do.
    Doctor {
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        list: List,
    },
    /// Creates or updates the schemas of a database, for platforms that `up` does not run.
    Migrate(Migrate),
    /// Only private PostgreSQL, Redis and RabbitMQ, until Ctrl-C: for services and tests that are started by hand or in an
    /// IDE. Prints their URLs as shell exports.
    DevServers,
    /// Prints a completion script: `source <(./pannier completions bash)`.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(clap::Args)]
struct List {
    /// The output format.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,
}

async fn run(cli: Cli) -> Result<()> {
    let data = cli.data.filter(|data| !data.as_os_str().is_empty()).unwrap_or_else(DataDir::default_path);
    let client = |target: &TargetArgs| Client::new(target.resolve(&data)?);
    match cli.command {
        Command::Up { no_demo, speed, instances, observe } => {
            if !(0.1..=1_000.0).contains(&speed) {
                return Err(Failure::usage("--speed must be between 0.1 and 1000"));
            }
            let what = commands::up::Up { data_dir: data.clone(), demo: !no_demo, speed, instances, observe };
            commands::up::run(what).await
        }
        Command::Down => commands::down::run(&data),
        Command::Status { target, list } if target.is_given() => {
            commands::status::remote(&client(&target)?, list.output).await
        }
        Command::Status { list, .. } => commands::status::local(&data, list.output),
        Command::Test { args } => commands::test::run(&data, &args).await,
        Command::Token { role, subject, ttl } => commands::token::run(&data, role.role(), subject, ttl),
        Command::Bench(what) => commands::bench::run(&data, what).await,
        Command::Sim(what) => commands::sim::run(&data, what).await,
        Command::Orders { what, target, list } => commands::orders::run(&client(&target)?, what, list.output).await,
        Command::Dlq { what, target, list } => commands::dlq::run(&client(&target)?, what, list.output).await,
        Command::Alarms { what, target, list } => commands::alarms::run(&client(&target)?, what, list.output).await,
        Command::Audit { what, target, list } => commands::audit::run(&client(&target)?, what, list.output).await,
        Command::Outbox { what, target, list } => commands::outbox::run(&client(&target)?, what, list.output).await,
        Command::Trace { id, target, list } => commands::trace::run(&client(&target)?, &id, list.output).await,
        Command::Doctor { target, list } => commands::doctor::run(&data, &target, list.output).await,
        Command::Migrate(what) => commands::migrate::run(what).await,
        Command::DevServers => commands::dev_servers::run(&data).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "pannier", &mut std::io::stdout());
            Ok(())
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::report(&error.into()),
    };
    let status = match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => Failure::report(&error),
    };
    // An interrupted download may still block a thread; the process does not wait for it.
    runtime.shutdown_background();
    status
}
