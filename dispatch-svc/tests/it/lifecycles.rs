//! The page about lifecycles says what the code does.

use dispatch_svc::domain::lifecycle::{DeliveryLifecycle, OfferLifecycle, ShiftLifecycle};
use pannier_contracts::LifecycleTable as _;
use pannier_testkit::page::check_section;

#[test]
fn docs_have_the_tables_of_dispatch() {
    check_section("lifecycles.md", "delivery", &DeliveryLifecycle::markdown());
    check_section("lifecycles.md", "offer", &OfferLifecycle::markdown());
    check_section("lifecycles.md", "shift", &ShiftLifecycle::markdown());
}
