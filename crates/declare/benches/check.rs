//! What it takes to check a large workload: 1,000 components in 1,551 files, with the languages of the product.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use mainstay_declare::declare;

#[path = "../../server/src/languages.rs"]
mod languages;
#[path = "../tests/large/mod.rs"]
mod large;

use languages::Spoken;

fn checks(criterion: &mut Criterion) {
    let files = large::files(1_000);
    let bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
    let outcome = declare(&files, &Spoken);
    assert_eq!(outcome.diagnostics, []);
    let declared = outcome.declared.expect("it is sound");
    let sizes = (declared.workload.components.len(), declared.triggers.len(), declared.procedures.len());
    assert_eq!(sizes, (1_000, 1_000, 200));

    let mut group = criterion.benchmark_group(format!("check {} files of {} KiB", files.len(), bytes / 1024));
    group.sample_size(10);
    group.bench_function("1,000 components", |bencher| {
        // What is done with the answer, and with its memory, is another matter.
        bencher.iter_with_large_drop(|| declare(black_box(&files), &Spoken));
    });
    // One mistake that everything refers to: the same work, and a thousand places to tell of.
    let mut wrong = files;
    wrong[0].bytes =
        String::from_utf8_lossy(&wrong[0].bytes).replace("memory: 256MiB", "memory: lots").into_bytes();
    assert!(declare(&wrong, &Spoken).diagnostics.len() > 999);
    group.bench_function("1,000 components, each with a problem", |bencher| {
        bencher.iter_with_large_drop(|| declare(black_box(&wrong), &Spoken));
    });
    group.finish();
}

criterion_group!(benches, checks);
criterion_main!(benches);
