//! A made-up day as the library's four files, so that others can work it too.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use pannier_instance::Instance;

/// Writes the files into a folder, which is made when it is not there.
///
/// # Errors
/// The folder or a file cannot be written.
pub(super) fn write(dir: &Path, instance: &Instance) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let mut orders = "order\tx\ty\tplacement_time\trestaurant\tready_time\n".to_owned();
    for o in &instance.orders {
        let (restaurant, at) = (&instance.restaurants[o.restaurant].id, o.at);
        let _ = writeln!(orders, "{}\t{}\t{}\t{}\t{restaurant}\t{}", o.id, at.x, at.y, o.placement, o.ready);
    }
    let mut couriers = "courier\tx\ty\ton_time\toff_time\n".to_owned();
    for c in &instance.couriers {
        let _ = writeln!(couriers, "{}\t{}\t{}\t{}\t{}", c.id, c.at.x, c.at.y, c.on, c.off);
    }
    let mut restaurants = "restaurant\tx\ty\n".to_owned();
    for r in &instance.restaurants {
        let _ = writeln!(restaurants, "{}\t{}\t{}", r.id, r.at.x, r.at.y);
    }
    let p = &instance.parameters;
    let parameters = format!(
        "meters_per_minute\tpickup service minutes\tdropoff service minutes\ttarget click-to-door\t\
         maximum click-to-door\tpay per order\tguaranteed pay per hour\n{}\t{}\t{}\t{}\t{}\t{}\t{}\n",
        p.metres_per_minute,
        p.pickup_service,
        p.dropoff_service,
        p.target_click_to_door,
        p.maximum_click_to_door,
        p.pay_per_order,
        p.guaranteed_pay_per_hour
    );
    fs::write(dir.join("orders.txt"), orders)?;
    fs::write(dir.join("couriers.txt"), couriers)?;
    fs::write(dir.join("restaurants.txt"), restaurants)?;
    fs::write(dir.join("instance_parameters.txt"), parameters)
}
