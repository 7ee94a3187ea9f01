//! Programs that only tests need. They are found or fetched as the servers are.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use pannier_devenv::data_dir::DataDir;
use pannier_devenv::servers::find;
use pannier_devenv::servers::server::Server;
use pannier_devenv::servers::tool::Tool;
use pannier_devenv::ui::Ui;

/// Finds or fetches a program. In CI a missing one is a failure; elsewhere the test is skipped, and says so.
pub async fn tool(server: Server) -> Option<Tool> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("pannier-tools-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder: PathBuf = std::env::temp_dir().join(name);
    let data = DataDir::lock(&folder).expect("a folder");
    let found = tokio::task::spawn_blocking(move || find::locate(&[server], &data, &Ui::new())).await;
    let _ = std::fs::remove_dir_all(folder);
    match found.expect("no panic") {
        Ok(mut tools) => tools.pop(),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{} is missing, and CI needs it: {error:#}", server.title());
            eprintln!("SKIPPED: {} cannot be found or fetched: {error:#}", server.title());
            None
        }
    }
}
