//! A rider creates or changes their profile.

use pannier_contracts::rider::{RiderSnapshot, RiderStatus};
use pannier_contracts::{RiderId, Version};
use pannier_platform::{Cause, Conn, Refusal};

use crate::store::{self, Rider};

/// A rider's profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Their name.
    pub name: String,
    /// Their vehicle: `bicycle`, `scooter`, `car` or any other word.
    pub vehicle: String,
    /// Their usual speed, metres per second.
    pub speed_mps: f64,
    /// The most deliveries that they carry at once.
    pub capacity: i32,
}

impl Profile {
    fn check(&self) -> Result<(), Refusal> {
        let wrong = |pointer: &str, detail: &str| {
            Err(Refusal::Invalid {
                code: "profile_invalid",
                detail: detail.to_owned(),
                pointer: Some(pointer.to_owned()),
            })
        };
        if self.name.trim().is_empty() || self.name.chars().count() > 100 {
            return wrong("/name", "a name has 1 to 100 characters");
        }
        if self.vehicle.trim().is_empty() || self.vehicle.chars().count() > 40 {
            return wrong("/vehicle", "a vehicle has 1 to 40 characters: bicycle, scooter, car");
        }
        // Riders of a simulated city are faster by the city's factor, hence the generous upper bound.
        if !(0.1..=3_000.0).contains(&self.speed_mps) {
            return wrong("/speed_mps", "a speed is 0.1 to 3000 metres per second");
        }
        if !(1..=20).contains(&self.capacity) {
            return wrong("/capacity", "a rider takes 1 to 20 orders at once");
        }
        Ok(())
    }
}

/// Creates or changes the rider.
///
/// # Errors
/// [`Refusal::Invalid`] `profile_invalid`; [`Refusal::Illegal`] `carrying` when they have more deliveries and offers than
/// the new capacity.
pub async fn put_profile(conn: &mut Conn, cause: &Cause, id: RiderId, profile: &Profile) -> Result<Rider, Refusal> {
    profile.check()?;
    let Some(rider) = store::riders::find(conn, id).await? else {
        let rider = RiderSnapshot {
            id,
            version: Version::FIRST,
            status: RiderStatus::Offline,
            stale: false,
            name: profile.name.clone(),
            vehicle: profile.vehicle.clone(),
            speed_mps: profile.speed_mps,
            active: 0,
            capacity: profile.capacity,
        };
        return store::riders::insert(conn, cause, &rider).await;
    };
    // Locked, so that no offer is sent to them meanwhile.
    let rider = store::riders::lock(conn, &[id]).await?.pop().unwrap_or(rider);
    if profile.capacity < rider.active + rider.open_offers {
        return Err(Refusal::Illegal {
            code: "carrying",
            detail: format!("you have {} orders and {} offers now", rider.active, rider.open_offers),
            state: rider.status.to_string(),
            allowed: Vec::new(),
        });
    }
    store::riders::update(conn, cause, "profile_changed", &rider, |r| {
        r.name.clone_from(&profile.name);
        r.vehicle.clone_from(&profile.vehicle);
        r.speed_mps = profile.speed_mps;
        r.capacity = profile.capacity;
    })
    .await
}
