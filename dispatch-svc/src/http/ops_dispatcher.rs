//! How the dispatcher is doing, for operations.

use std::sync::Arc;

use actix_web::web::{Data, Json};
use pannier_platform::http::{Ops, Page, Problem};
use serde::Serialize;

use crate::tasks::gather::City;
use crate::tasks::planner::Planner;
use crate::tasks::ticks::ZoneTicks;

/// A zone, and how well the city in memory agrees with the tables.
#[derive(Debug, Serialize)]
pub struct ZoneView {
    #[serde(flatten)]
    ticks: ZoneTicks,
    /// Rows that full readings found otherwise than in memory, since this process began; there should be none.
    differences: u64,
}

/// Zone by zone: a platform has few, so this is one page. Only zones that this process dispatches, or did.
///
/// # Errors
/// As a problem.
pub async fn list(
    _who: Ops,
    planner: Data<Arc<Planner>>,
    city: Data<Arc<City>>,
) -> Result<Json<Page<ZoneView>>, Problem> {
    let differences = city.differences();
    let data = planner.zones().into_iter().map(|ticks| ZoneView { ticks, differences }).collect();
    Ok(Json(Page { data, next_cursor: None }))
}
