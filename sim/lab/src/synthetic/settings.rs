//! Settings of a city. `default.toml` documents and defaults them; a city's file overrides some.

use std::path::Path;

use anyhow::{Context, Result, bail};
use config::{Config, File, FileFormat};
use serde::{Deserialize, Serialize};

/// A synthetic city. `default.toml` documents each field with unit and range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in default.toml, beside the values")]
pub struct City {
    pub name: String,
    pub size_km: f64,
    pub metres_per_minute: f64,
    pub pickup_service_min: u32,
    pub dropoff_service_min: u32,
    pub target_min: u32,
    pub maximum_min: u32,
    pub pay_per_order: f64,
    pub guaranteed_pay_per_hour: f64,
    pub orders: Orders,
    pub restaurants: Restaurants,
    pub kitchen: Kitchens,
    pub riders: Riders,
}

/// The table `[orders]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orders {
    pub per_hour: Vec<f64>,
    pub reach_km: f64,
}

/// The table `[restaurants]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restaurants {
    pub count: usize,
    pub clusters: usize,
    pub cluster_km: f64,
    pub skew: f64,
}

/// The table `[kitchen]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kitchens {
    pub mean_min: f64,
    pub between: f64,
    pub within: f64,
    pub slipping: f64,
    pub spell_min: u32,
    pub slip_min: [u32; 2],
}

/// The table `[riders]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Riders {
    pub count: usize,
    pub shift_min: [u32; 2],
    pub jitter_min: u32,
    pub stay_min: u32,
    pub home_km: f64,
    pub declines: f64,
    pub silent: f64,
    pub silent_min: [u32; 2],
}

const DEFAULT: &str = include_str!("default.toml");

impl City {
    /// The city of `default.toml`, overridden by the settings of `file`.
    ///
    /// # Errors
    /// The file cannot be read; a setting is unknown, of the wrong type or out of range.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let Some(file) = file else { return Self::read("") };
        let text = std::fs::read_to_string(file).with_context(|| format!("{}: cannot be read", file.display()))?;
        Self::read(&text).with_context(|| file.display().to_string())
    }

    fn read(text: &str) -> Result<Self> {
        let source = |text| File::from_str(text, FileFormat::Toml);
        let city: Self =
            Config::builder().add_source(source(DEFAULT)).add_source(source(text)).build()?.try_deserialize()?;
        city.check()?;
        Ok(city)
    }

    fn check(&self) -> Result<()> {
        let is_plain = self.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_plain || !(1..=40).contains(&self.name.len()) {
            bail!("name: letters, digits and dashes, 1 to 40, not {:?}", self.name);
        }
        if self.orders.per_hour.len() != 24 {
            bail!("orders.per_hour: 24 numbers, not {}", self.orders.per_hour.len());
        }
        if !self.orders.per_hour.iter().any(|n| *n > 0.0) {
            bail!("orders.per_hour: nobody orders anything");
        }
        for service in [self.pickup_service_min, self.dropoff_service_min] {
            if service % 2 != 0 {
                bail!("pickup_service_min, dropoff_service_min: half of {service} is not a whole minute");
            }
        }
        let riders = &self.riders;
        let pairs = [
            ("kitchen.slip_min", self.kitchen.slip_min),
            ("riders.shift_min", riders.shift_min),
            ("riders.silent_min", riders.silent_min),
        ];
        for (name, [least, most]) in pairs {
            if least > most {
                bail!("{name}: at least {least} is more than at most {most}");
            }
        }
        let n = f64::from;
        let mut ranges = vec![
            ("size_km", self.size_km, 1.0, 60.0),
            ("metres_per_minute", self.metres_per_minute, 50.0, 2_000.0),
            ("pickup_service_min", n(self.pickup_service_min), 0.0, 30.0),
            ("dropoff_service_min", n(self.dropoff_service_min), 0.0, 30.0),
            ("target_min", n(self.target_min), 1.0, 600.0),
            ("maximum_min", n(self.maximum_min), 1.0, 600.0),
            ("pay_per_order", self.pay_per_order, 0.0, 1_000.0),
            ("guaranteed_pay_per_hour", self.guaranteed_pay_per_hour, 0.0, 1_000.0),
            ("orders.reach_km", self.orders.reach_km, 0.1, 60.0),
            ("restaurants.count", self.restaurants.count as f64, 1.0, 5_000.0),
            ("restaurants.clusters", self.restaurants.clusters as f64, 0.0, 100.0),
            ("restaurants.cluster_km", self.restaurants.cluster_km, 0.0, 60.0),
            ("restaurants.skew", self.restaurants.skew, 0.0, 3.0),
            ("kitchen.mean_min", self.kitchen.mean_min, 1.0, 180.0),
            ("kitchen.between", self.kitchen.between, 0.0, 2.0),
            ("kitchen.within", self.kitchen.within, 0.0, 2.0),
            ("kitchen.slipping", self.kitchen.slipping, 0.0, 1.0),
            ("kitchen.spell_min", n(self.kitchen.spell_min), 1.0, 600.0),
            ("riders.count", riders.count as f64, 1.0, 5_000.0),
            ("riders.jitter_min", n(riders.jitter_min), 0.0, 300.0),
            ("riders.stay_min", n(riders.stay_min), 0.0, 300.0),
            ("riders.home_km", riders.home_km, 0.0, 60.0),
            ("riders.declines", riders.declines, 0.0, 0.9),
            ("riders.silent", riders.silent, 0.0, 1.0),
        ];
        ranges.extend(self.kitchen.slip_min.map(|m| ("kitchen.slip_min", n(m), 1.0, 600.0)));
        ranges.extend(riders.shift_min.map(|m| ("riders.shift_min", n(m), 30.0, 720.0)));
        ranges.extend(riders.silent_min.map(|m| ("riders.silent_min", n(m), 1.0, 600.0)));
        ranges.extend(self.orders.per_hour.iter().map(|h| ("orders.per_hour", *h, 0.0, 5_000.0)));
        for (name, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                bail!("{name}: must be between {least} and {most}, not {value}");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_overrides_the_defaults() {
        let city = City::read("name = 'x'\n[riders]\ncount = 3").unwrap();
        let defaults = City::load(None).unwrap();
        assert_eq!(city, City { name: "x".into(), riders: Riders { count: 3, ..defaults.riders.clone() }, ..defaults });
        assert_eq!(City::read(include_str!("busy.toml")).unwrap().name, "busy");
    }

    #[test]
    fn an_invalid_setting_is_named() {
        let rows = [
            ("size_km = 0", "size_km: must be between 1 and 60, not 0"),
            ("name = 'a b'", "name: letters, digits and dashes, 1 to 40, not \"a b\""),
            ("pickup_service_min = 3", "pickup_service_min, dropoff_service_min: half of 3 is not a whole minute"),
            ("[orders]\nper_hour = [1]", "orders.per_hour: 24 numbers, not 1"),
            ("[riders]\nshift_min = [90, 60]", "riders.shift_min: at least 90 is more than at most 60"),
            ("[riders]\ndeclines = 1.0", "riders.declines: must be between 0 and 0.9, not 1"),
            ("[riders]\ncuont = 3", "unknown field `cuont`"),
            ("[riders]\ncount = 'many'", "count"),
            ("size_km = nan", "size_km: must be between 1 and 60, not NaN"),
        ];
        for (text, expected) in rows {
            let error = format!("{:#}", City::read(text).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
