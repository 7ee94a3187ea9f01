//! Operations create or change a zone. Its open deliveries follow the new policy at once.

use pannier_contracts::zone::{Policy, ZoneSnapshot};
use pannier_contracts::{Place, Version, ZoneId};
use pannier_platform::{Cause, Conn, Refusal};

use super::apply_trigger::schedule_deadlines;
use crate::domain;
use crate::store;

/// What operations decide about a zone.
#[derive(Debug, Clone, PartialEq)]
pub struct ZoneSettings {
    /// The name that people read.
    pub name: String,
    /// The corners of the outline.
    pub polygon: Vec<Place>,
    /// How deliveries are dispatched there.
    pub policy: Policy,
}

/// Creates the zone, or changes it from the version that the caller has seen.
///
/// # Errors
/// [`Refusal::Invalid`] when the settings are no valid zone; [`Refusal::Stale`] when the zone is not at the version `seen`;
/// [`Refusal::NotFound`] when a version is given and there is no zone.
pub async fn put_zone(
    conn: &mut Conn,
    cause: &Cause,
    id: ZoneId,
    seen: Option<Version>,
    settings: ZoneSettings,
) -> Result<ZoneSnapshot, Refusal> {
    let ZoneSettings { name, polygon, policy } = settings;
    domain::zone::check(&name, &polygon, &policy)?;
    let existing = store::zones::find(conn, &id).await?;
    let at_version = |version| ZoneSnapshot { id, version, name, polygon, policy };
    let Some(existing) = existing else {
        if seen.is_some() {
            return Err(Refusal::NotFound("zone"));
        }
        let zone = at_version(Version::FIRST);
        store::zones::insert(conn, cause, &zone).await?;
        return Ok(zone);
    };
    if seen != Some(existing.version) {
        return Err(Refusal::Stale { current: existing.version });
    }
    let zone = at_version(existing.version.next());
    store::zones::update(conn, cause, &zone).await?;
    for delivery in store::deliveries::unassigned(conn, Some(&zone.id)).await? {
        schedule_deadlines(conn, &delivery).await?;
    }
    Ok(zone)
}
