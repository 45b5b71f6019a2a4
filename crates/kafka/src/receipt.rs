//! The end of the span of a record that is sent: when the broker has it, and where.

use telemetry::{Span, names};

use crate::Receipt;

/// Ends the span of a record with the partition and offset that it has got, or fails it.
pub fn ended_by(mut span: Span) -> Receipt {
    Box::new(move |outcome| {
        match outcome {
            Ok((partition, offset)) => {
                span.set(names::PARTITION, partition.to_string());
                // The client does not learn it when a request was repeated.
                if *offset >= 0 {
                    span.set(names::OFFSET, *offset);
                }
            }
            Err(error) => span.fail(error.class().name(), error.to_string()),
        }
        span.end();
    })
}
