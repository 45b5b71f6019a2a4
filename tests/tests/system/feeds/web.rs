//! A web server that answers as a test tells it to: well, badly, too much, or not at all.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Bytes of an answer that is far too large.
const HUGE_BYTES: usize = 200 << 20;

/// One answer.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A status with its headers, and a body.
    Plain(&'static str, String),
    /// 200 MB whose length is told in advance.
    Huge,
    /// 200 MB in chunks, without a length.
    Chunked,
    /// Nothing, on a connection that stays open.
    Hang,
    /// Half of what was promised, then the connection breaks.
    Half,
}

/// The server.
#[derive(Debug)]
pub(crate) struct Web {
    listener: TcpListener,
    script: Mutex<VecDeque<Reply>>,
    /// What is answered when the script is through.
    then: Mutex<Reply>,
    /// The head of every request.
    asked: Mutex<Vec<String>>,
    held: Mutex<Vec<TcpStream>>,
    is_over: AtomicBool,
}

/// Runs a test beside a server.
pub(crate) fn with_web(test: impl FnOnce(&Web)) {
    let web = Web {
        listener: TcpListener::bind("127.0.0.1:0").expect("a free port"),
        script: Mutex::default(),
        then: Mutex::new(Reply::Plain("404 Not Found", String::new())),
        asked: Mutex::default(),
        held: Mutex::default(),
        is_over: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        scope.spawn(|| web.serve());
        let tested = catch_unwind(AssertUnwindSafe(|| test(&web)));
        web.is_over.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(web.listener.local_addr().expect("bound")));
        if let Err(panic) = tested {
            resume_unwind(panic);
        }
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Web {
    /// The address of the feed.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/feed", self.listener.local_addr().expect("bound"))
    }

    /// Answers with these, one after the other, and with the last of them ever after.
    pub(crate) fn answer(&self, replies: &[Reply]) {
        let (last, before) = replies.split_last().expect("an answer");
        lock(&self.script).extend(before.iter().cloned());
        *lock(&self.then) = last.clone();
    }

    /// Heads of the requests so far, in small letters.
    pub(crate) fn asked(&self) -> Vec<String> {
        lock(&self.asked).clone()
    }

    fn serve(&self) {
        for stream in self.listener.incoming() {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let Ok(stream) = stream else { continue };
            let mut head = String::new();
            let mut lines = BufReader::new(&stream);
            while lines.read_line(&mut head).is_ok_and(|count| count > 2) {}
            lock(&self.asked).push(head.to_lowercase());
            let reply = lock(&self.script).pop_front().unwrap_or_else(|| lock(&self.then).clone());
            // A client that has had enough hangs up: that is part of what is tested.
            let _ = self.reply(stream, &reply);
        }
    }

    fn reply(&self, mut stream: TcpStream, reply: &Reply) -> std::io::Result<()> {
        let mut head = |head: String| write!(stream, "HTTP/1.1 {head}\r\nConnection: close\r\n\r\n");
        let megabyte = vec![b'1'; 1 << 20];
        match reply {
            Reply::Plain(status, body) => {
                head(format!("{status}\r\nContent-Length: {}", body.len()))?;
                stream.write_all(body.as_bytes())
            }
            Reply::Huge => {
                head(format!("200 OK\r\nContent-Length: {HUGE_BYTES}"))?;
                (0..HUGE_BYTES / megabyte.len()).try_for_each(|_| stream.write_all(&megabyte))
            }
            Reply::Chunked => {
                head("200 OK\r\nTransfer-Encoding: chunked".to_owned())?;
                (0..HUGE_BYTES / megabyte.len()).try_for_each(|_| {
                    write!(stream, "{:x}\r\n", megabyte.len())?;
                    stream.write_all(&megabyte)?;
                    stream.write_all(b"\r\n")
                })
            }
            Reply::Hang => {
                lock(&self.held).push(stream);
                Ok(())
            }
            Reply::Half => {
                head("200 OK\r\nContent-Length: 1000".to_owned())?;
                stream.write_all(b"[{\"StationID\":1909,")
            }
        }
    }
}
