//! How the dispatcher is doing, for operations.

use std::sync::Arc;

use actix_web::web::{Data, Json};
use pannier_platform::http::{Ops, Page, Problem};

use crate::tasks::planner::Planner;
use crate::tasks::ticks::ZoneTicks;

/// Zone by zone: a platform has few, so this is one page. Empty where another process holds the lease.
///
/// # Errors
/// As a problem.
pub async fn list(_who: Ops, planner: Data<Arc<Planner>>) -> Result<Json<Page<ZoneTicks>>, Problem> {
    Ok(Json(Page { data: planner.zones(), next_cursor: None }))
}
