//! The engine seen from outside: examples, properties, and the shape of its answer.

mod city_time;
mod examples;
mod explain;
mod horizon;
mod properties;
mod shape;
mod world;
