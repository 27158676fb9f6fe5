//! Wire types of the HTTP API and of the agent link, and the client.
