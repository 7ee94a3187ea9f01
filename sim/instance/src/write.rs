use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use crate::format::{COURIERS, FileFormat, ORDERS, PARAMETERS, RESTAURANTS};
use crate::instance::Instance;

impl Instance {
    /// Writes the four files into `dir`, which is created when missing. [`Instance::load`] reads them back.
    ///
    /// # Errors
    /// The folder cannot be created or a file cannot be written.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        let orders = self.orders.iter().map(|o| {
            let restaurant = &self.restaurants[o.restaurant].id;
            format!("{}\t{}\t{}\t{}\t{restaurant}\t{}", o.id, o.at.x, o.at.y, o.placement, o.ready)
        });
        write_table(dir, &ORDERS, orders)?;
        let couriers = self.couriers.iter().map(|c| format!("{}\t{}\t{}\t{}\t{}", c.id, c.at.x, c.at.y, c.on, c.off));
        write_table(dir, &COURIERS, couriers)?;
        let restaurants = self.restaurants.iter().map(|r| format!("{}\t{}\t{}", r.id, r.at.x, r.at.y));
        write_table(dir, &RESTAURANTS, restaurants)?;
        let p = &self.parameters;
        let parameters = format!(
            "{}\t{}\t{}\t{}\t{}\t{}\t{}",
            p.metres_per_minute,
            p.pickup_service,
            p.dropoff_service,
            p.target_click_to_door,
            p.maximum_click_to_door,
            p.pay_per_order,
            p.guaranteed_pay_per_hour
        );
        write_table(dir, &PARAMETERS, [parameters])
    }
}

fn write_table(dir: &Path, format: &FileFormat, rows: impl IntoIterator<Item = String>) -> io::Result<()> {
    let mut text = format.columns.join("\t") + "\n";
    for row in rows {
        let _ = writeln!(text, "{row}");
    }
    fs::write(dir.join(format.name), text)
}
