//! Sections of pages in `docs/` that are made from code.

use std::path::{Path, PathBuf};

/// Compares the section `name` of a page in `docs/`, between `<!-- NAME begins -->` and `<!-- NAME ends -->`, with what the
/// code says. With `PANNIER_UPDATE_DOCS=1` in the environment it writes the section.
///
/// # Panics
/// When the page has no such section, or another text in it.
pub fn check_section(page: &str, name: &str, expected: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (begins, ends) = (format!("<!-- {name} begins -->\n"), format!("<!-- {name} ends -->"));
    let parts = text.split_once(&begins).and_then(|(before, rest)| Some((before, rest.split_once(&ends)?)));
    let (before, (section, after)) = parts.unwrap_or_else(|| panic!("docs/{page} has no section {name}"));
    if section == expected {
        return;
    }
    assert!(
        std::env::var_os("PANNIER_UPDATE_DOCS").is_some(),
        "docs/{page} says something else about {name}: write it with PANNIER_UPDATE_DOCS=1 ./pannier test -- docs_\n{expected}"
    );
    std::fs::write(&path, format!("{before}{begins}{expected}{ends}{after}")).expect("the page can be written");
}
