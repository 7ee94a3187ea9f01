//! Operations draw a zone, or change it: its open deliveries follow the new policy at once.

use pannier_contracts::zone::{Policy, ZoneSnapshot};
use pannier_contracts::{Place, Version, ZoneId};
use pannier_platform::{Cause, Conn, Refusal};

use super::advance::set_moments;
use crate::domain;
use crate::store;

/// Makes or changes a zone. `seen` is the version that the caller saw, none for a new one.
///
/// # Errors
/// 422 when it is no valid zone; 412 when it has changed since, or exists and the caller saw nothing.
pub async fn put_zone(
    conn: &mut Conn,
    cause: &Cause,
    id: ZoneId,
    seen: Option<Version>,
    (name, polygon, policy): (String, Vec<Place>, Policy),
) -> Result<ZoneSnapshot, Refusal> {
    domain::zone::check(&name, &polygon, &policy)?;
    let existing = store::zones::find(conn, &id).await?;
    let made = |version| ZoneSnapshot { id, version, name, polygon, policy };
    let Some(existing) = existing else {
        if seen.is_some() {
            return Err(Refusal::NotFound("zone"));
        }
        let zone = made(Version::FIRST);
        store::zones::insert(conn, cause, &zone).await?;
        return Ok(zone);
    };
    if seen != Some(existing.version) {
        return Err(Refusal::Stale { current: existing.version });
    }
    let zone = made(existing.version.next());
    store::zones::update(conn, cause, &zone).await?;
    for delivery in store::deliveries::unassigned(conn, Some(&zone.id)).await? {
        set_moments(conn, &delivery).await?;
    }
    Ok(zone)
}
