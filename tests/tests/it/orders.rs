//! One order from tap to door.

use pannier_tests::TestCity;
use pannier_tests::city::text;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_goes_from_tap_to_door() {
    let city = TestCity::start().await;
    let (shop, customer, rider) = (city.shop().await, city.customer(), city.rider().await);
    let (order, delivery) = city.assigned(&customer, &shop, &rider).await;
    let delivery = format!("/v1/rider/deliveries/{}", text(&delivery["id"]));
    rider.post(&format!("{delivery}/at_pickup"), json!({})).await.ok();
    rider.post(&format!("{delivery}/picked_up"), json!({})).await.ok();
    city.order_is(&customer, &order, "delivering").await;
    rider.post(&format!("{delivery}/at_dropoff"), json!({})).await.ok();
    let wrong = rider.post(&format!("{delivery}/delivered"), json!({"pin": "nope"})).await;
    assert_eq!((wrong.status, wrong.code()), (422, "wrong_pin"));
    rider.post(&format!("{delivery}/delivered"), json!({"pin": order["pin"]})).await.ok();
    city.order_is(&customer, &order, "delivered").await;
    city.ends_as(&order, ["delivered", "handed_over", "delivered", "captured"]).await;
    city.end().await;
}
