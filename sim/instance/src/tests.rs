use std::path::{Path, PathBuf};

use super::{Instance, Point};

fn harbour() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/instances/harbour")
}

#[test]
fn the_harbour_instance_loads() {
    let day = Instance::load(&harbour()).unwrap();
    assert_eq!((day.name.as_str(), day.orders.len(), day.couriers.len(), day.restaurants.len()), ("harbour", 20, 5, 5));
    assert_eq!((day.first_minute(), day.last_off()), (0, 130));
    assert_eq!(day.parameters.metres_per_minute, 320.0);
    let late: Vec<_> = day.orders.iter().filter(|o| day.is_undeliverable(o)).map(|o| o.id.as_str()).collect();
    assert_eq!(late, ["o20"]);
    let (low, high) = day.bounds();
    assert!(low.x >= 0.0 && low.y >= 0.0 && high.x <= 4_000.0 && high.y <= 4_000.0);
}

#[test]
fn instances_do_not_overlap_on_the_earth_and_keep_their_distances() {
    let day = Instance::load(&harbour()).unwrap();
    let other = Instance { name: "elsewhere".into(), ..day.clone() };
    let (a, b) = (Point { x: 10.0, y: 20.0 }, Point { x: 3_000.0, y: 4_000.0 });
    let metres = day.place(a).unwrap().distance_m(&day.place(b).unwrap());
    assert!((metres - a.distance_m(b)).abs() < 0.3, "{metres}");
    assert!(day.place(a).unwrap().distance_m(&other.place(a).unwrap()) > 100_000.0);
    assert!(day.place(a).unwrap().distance_m(&a.place().unwrap()) > 100_000.0);
}

#[test]
fn metres_of_the_plane_are_metres_on_the_earth() {
    let corners = [(0.0, 0.0), (15_000.0, 0.0), (0.0, 15_000.0), (15_000.0, 15_000.0), (-7_000.0, 3_000.0)];
    for a in corners {
        for b in corners {
            let (a, b) = (Point { x: a.0, y: a.1 }, Point { x: b.0, y: b.1 });
            let on_earth = a.place().unwrap().distance_m(&b.place().unwrap());
            assert!((on_earth - a.distance_m(b)).abs() < 0.3, "{a:?} {b:?}: {on_earth}");
        }
    }
}

/// Loads a copy of the harbour instance with one file changed; returns the error, or "fine".
fn load_with(file: &str, change: impl Fn(String) -> Vec<u8>) -> String {
    let dir = std::env::temp_dir().join(format!("pannier-instance-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&dir).unwrap();
    for entry in std::fs::read_dir(harbour()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), dir.join(entry.file_name())).unwrap();
    }
    let text = std::fs::read_to_string(dir.join(file)).unwrap();
    std::fs::write(dir.join(file), change(text)).unwrap();
    let said = Instance::load(&dir).map_or_else(|e| e.to_string(), |_| "fine".into());
    std::fs::remove_dir_all(&dir).unwrap();
    said.replace(&format!("{}/", dir.display()), "")
}

#[test]
fn bad_input_is_named_with_file_and_line() {
    let edit = |file, from: &'static str, to: &'static str| {
        load_with(file, move |text| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1).into_bytes()
        })
    };
    let rows = [
        ("orders.txt", "o3\t", "o2\t", "orders.txt:4: o2 is listed twice"),
        ("orders.txt", "o2\t1430", "o2\teast", "orders.txt:3: \"east\" in column 2 is not a number"),
        ("orders.txt", "\t11\tr3\t19", "\t11\tr3\t9", "orders.txt:3: ready_time 9 is before placement_time 11"),
        ("orders.txt", "\t11\tr3", "\t11\tr9", "orders.txt:3: restaurant r9 is not in restaurants.txt"),
        ("orders.txt", "\t11\tr3", "\t-1\tr3", "orders.txt:3: \"-1\" in column 4 is not a minute of the day"),
        ("orders.txt", "\t11\tr3", "\tr3", "orders.txt:3: 6 columns are needed, here are 5"),
        (
            "orders.txt",
            "o2\t1430",
            "o2\t9e9",
            "orders.txt:3: 9000000000, 1969 is more than 200 km away from the origin",
        ),
        (
            "orders.txt",
            "placement_time",
            "time",
            "orders.txt:1: the header must be, tab separated: order, x, y, placement_time, restaurant, ready_time",
        ),
        ("couriers.txt", "0\t125", "130\t125", "couriers.txt:2: off_time 125 is before on_time 130"),
        ("couriers.txt", "c1\t", "\t", "couriers.txt:2: column 1 is empty"),
        ("restaurants.txt", "r2\t", "r1\t", "restaurants.txt:3: restaurant r1 is listed twice"),
        (
            "instance_parameters.txt",
            "320\t",
            "0\t",
            "instance_parameters.txt:2: the speed must be positive and the service minutes not negative",
        ),
        (
            "instance_parameters.txt",
            "320\t4",
            "320\t3",
            "instance_parameters.txt:2: half of the pickup service minutes, 3, is not a whole minute",
        ),
        ("instance_parameters.txt", "\t15", "\t-15", "instance_parameters.txt:2: pay must not be negative"),
    ];
    for (file, from, to, expected) in rows {
        assert_eq!(edit(file, from, to), expected);
    }
    let cut = load_with("instance_parameters.txt", |text| text.lines().next().unwrap_or("").as_bytes().to_vec());
    assert_eq!(cut, "instance_parameters.txt:2: a line is missing");
    let garbled = load_with("orders.txt", |text| [text.as_bytes(), b"\xff\xfe"].concat());
    assert_eq!(garbled, "orders.txt:22: is not UTF-8 text");
    assert_eq!(load_with("orders.txt", |text| text.replace('\n', "\r\n").into_bytes()), "fine");
    let nowhere = Instance::load(Path::new("/nowhere")).unwrap_err().to_string();
    assert!(nowhere.starts_with("/nowhere/restaurants.txt: cannot be read"), "{nowhere}");
}
