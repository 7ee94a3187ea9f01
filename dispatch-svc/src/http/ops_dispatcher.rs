//! Statistics of planning, for operations.

use std::sync::Arc;

use actix_web::web::{Data, Json};
use pannier_platform::http::{Ops, Page, Problem};
use serde::Serialize;

use crate::tasks::city::CityCache;
use crate::tasks::planner::Planner;
use crate::tasks::planning_stats::ZoneStats;

/// The statistics of a zone.
#[derive(Debug, Serialize)]
pub struct ZoneView {
    #[serde(flatten)]
    stats: ZoneStats,
    /// Rows that were otherwise in memory than in the tables, over all zones since this process began. Should be 0.
    differences: u64,
}

/// The zones that this process dispatches or did. A platform has few, so they are one page.
pub async fn list(
    _who: Ops,
    planner: Data<Arc<Planner>>,
    city: Data<Arc<CityCache>>,
) -> Result<Json<Page<ZoneView>>, Problem> {
    let differences = city.differences();
    let data = planner.zones().into_iter().map(|stats| ZoneView { stats, differences }).collect();
    Ok(Json(Page { data, next_cursor: None }))
}
