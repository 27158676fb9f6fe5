//! Sans-IO procedure machine for Systems Manager documents.
