//! Seeded clock, in-memory journal with crashes, scripted performers.
