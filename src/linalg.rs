//! Matrix products, QR and SVD: the only file that calls a linear-algebra backend.
