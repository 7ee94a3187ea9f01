//! A rider says who they are.

use pannier_contracts::rider::{RiderSnapshot, RiderStatus};
use pannier_contracts::{RiderId, Version};
use pannier_platform::{Cause, Conn, Refusal};

use crate::store::{self, Rider};

/// What a rider says about themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// What they are called.
    pub name: String,
    /// `bicycle`, `scooter`, `car`.
    pub vehicle: String,
    /// How fast they usually go, metres per second.
    pub speed_mps: f64,
    /// How many orders they can take at once.
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
        // A simulated city's riders are as much faster as their city is, so the upper bound is generous.
        if !(0.1..=3_000.0).contains(&self.speed_mps) {
            return wrong("/speed_mps", "a speed is 0.1 to 3000 metres per second");
        }
        if !(1..=20).contains(&self.capacity) {
            return wrong("/capacity", "a rider takes 1 to 20 orders at once");
        }
        Ok(())
    }
}

/// Makes or changes the rider.
///
/// # Errors
/// 422 when it is no valid profile; 409 `carrying` when they have more orders than they say they can take.
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
    // Nobody asks them while we look.
    let rider = store::riders::lock(conn, &[id]).await?.pop().unwrap_or(rider);
    if profile.capacity < rider.active + rider.open_offers {
        return Err(Refusal::Illegal {
            code: "carrying",
            detail: format!("you have {} orders and {} offers now", rider.active, rider.open_offers),
            state: rider.status.to_string(),
            allowed: Vec::new(),
        });
    }
    store::riders::advance(conn, cause, "profile_changed", &rider, |r| {
        r.name.clone_from(&profile.name);
        r.vehicle.clone_from(&profile.vehicle);
        r.speed_mps = profile.speed_mps;
        r.capacity = profile.capacity;
    })
    .await
}
