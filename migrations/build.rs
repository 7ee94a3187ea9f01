//! The SQL is compiled in: a new file is a reason to compile again, which cargo does not see by itself.

fn main() {
    for folder in ["platform", "order", "merchant", "dispatch"] {
        println!("cargo:rerun-if-changed={folder}");
    }
}
