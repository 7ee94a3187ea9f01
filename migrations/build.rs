//! The SQL files are compiled into the crate. Cargo does not watch them by itself, so this tells it to.

fn main() {
    for folder in ["platform", "order", "merchant", "dispatch"] {
        println!("cargo:rerun-if-changed={folder}");
    }
}
