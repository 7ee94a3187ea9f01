//! File names and header lines of the library's format.

/// A tab-separated file: its name and the columns of its header line.
pub(crate) struct FileFormat {
    pub name: &'static str,
    pub columns: &'static [&'static str],
}

pub(crate) const ORDERS: FileFormat =
    FileFormat { name: "orders.txt", columns: &["order", "x", "y", "placement_time", "restaurant", "ready_time"] };

pub(crate) const COURIERS: FileFormat =
    FileFormat { name: "couriers.txt", columns: &["courier", "x", "y", "on_time", "off_time"] };

pub(crate) const RESTAURANTS: FileFormat = FileFormat { name: "restaurants.txt", columns: &["restaurant", "x", "y"] };

pub(crate) const PARAMETERS: FileFormat = FileFormat {
    name: "instance_parameters.txt",
    columns: &[
        "meters_per_minute",
        "pickup service minutes",
        "dropoff service minutes",
        "target click-to-door",
        "maximum click-to-door",
        "pay per order",
        "guaranteed pay per hour",
    ],
};
