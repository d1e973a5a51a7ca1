"""Matrix-product states of other packages, from their objects and files, and back.

Every function that brings a state in returns the law of its measurements, a `BornMps`, or with `arrays=True` its
tensors, one for each site with axes (left, state, right). With `bases=` the law is that of a measurement in other
bases than the computational one (see `BornMps`).

========== ================================ ============================================
package    in                               out
========== ================================ ============================================
TeNPy      `from_tenpy`, `read_tenpy`       `to_tenpy`
quimb      `from_quimb`                     `to_quimb`
ITensor    `read_itensor`                   `write_itensor`
plain      `read_npz`                       `write_npz`, `to_arrays`
========== ================================ ============================================

Symbols 0, 1, ... of a site are its states in the order of the source package, with permutations undone:

* TeNPy sorts the states of a site by charge where one is conserved; here they come as without conservation.
  `SpinHalfSite` 0 up, 1 down; `SpinSite` from the lowest Sz to the highest; `FermionSite` 0 empty, 1 full;
  `SpinHalfFermionSite` empty, up, down, both; `BosonSite` by particle number. (`bases="Y"` and `"Z"` call state 0
  the eigenvalue +1: of a `SpinSite(0.5)`, whose state 0 is down, their outcome 0 is -1.)
* ITensor: "S=1/2" 0 Up, 1 Dn; "S=1" Up, Z0, Dn; "Fermion" Emp, Occ; "Electron" Emp, Up, Dn, UpDn.
* quimb: the order of the physical index, for spins of its Hamiltonians 0 up.

HDF5 files need h5py (`pip install tensorjump[files]`), and neither TeNPy nor ITensor. What such a file says of types
and classes is compared, never evaluated. A file that is cut off, damaged or of another kind raises `FormatError`,
one that cannot be opened `FileError`; both say `path` and `reason`.
"""

from ._arrays import Tensors, read_npz, to_arrays, write_npz
from ._itensor import read_itensor, write_itensor
from ._quimb import from_quimb, to_quimb
from ._tenpy import from_tenpy, read_tenpy, to_tenpy

__all__ = [
    "Tensors",
    "from_quimb",
    "from_tenpy",
    "read_itensor",
    "read_npz",
    "read_tenpy",
    "to_arrays",
    "to_quimb",
    "to_tenpy",
    "write_itensor",
    "write_npz",
]
