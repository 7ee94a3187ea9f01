//! Rounds of finished deliveries are deleted some days after they were made. Their offers stay.

use dispatch_svc::store::rounds::RETENTION;
use pannier_platform::retention::{self, RetentionPeriods, RetentionRules};
use pannier_platform::{Db, Stop};
use pannier_testkit::Servers;

use crate::checks::healthy;

#[tokio::test(flavor = "multi_thread")]
async fn an_old_round_is_deleted_and_its_offer_stays() {
    let servers = Servers::from_env();
    let (db, _) = healthy(&servers).await;
    db.execute("UPDATE dispatch.rounds SET at = at - interval '8 days'").await;
    let pool = Db::new(&db.urls.dispatch, 2).unwrap();
    let rules = RetentionRules { tables: &[RETENTION], is_open: None };
    retention::pass(&pool, RetentionPeriods::new(7, 24).unwrap(), rules, &Stop::new()).await;
    assert_eq!(db.count("SELECT count(*) AS n FROM dispatch.rounds").await, 0);
    assert_eq!(db.count("SELECT count(*) AS n FROM dispatch.offers").await, 1);
    db.remove(&servers).await;
}
