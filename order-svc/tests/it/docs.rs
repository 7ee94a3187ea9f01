//! Pages say what the code does.

use order_svc::domain::who_pays;
use pannier_testkit::page::check_section;

#[test]
fn docs_say_who_pays() {
    check_section("who-pays.md", "who-pays", &who_pays::markdown());
}
