"""Files in the layouts of ITensor and TeNPy, written by h5py for the tests, and states of fixed charge."""

import h5py
import numpy as np


def typed(parent, key, kind):
    group = parent.create_group(key)
    group.attrs["type"], group.attrs["version"] = kind, np.int64(1)
    return group


# ITensor: written after the sources of ITensorMPS.jl and of the C++ library, no Julia is at hand.


def write_itensor(path, tensors, *, name="psi", cpp=False, blocks=None, axes=lambda k, n: range(n), store="storage"):
    """The layout of ITensor. `blocks`: block sizes of (left, state, right) of each site, for quantum numbers."""
    n = len(tensors)

    def sizes(j, axis):
        return None if blocks is None else blocks[j][axis]

    with h5py.File(path, "w") as file:
        psi = typed(file, name, "MPS")
        psi["length"], psi["llim"], psi["rlim"] = np.int64(n), np.int64(0), np.int64(n + 1)
        for j, a in enumerate(tensors):
            tensor = typed(psi, f"MPS[{j + 1}]", "ITensor")
            inds = [(100 + j, 0, f"Link,l={j}")] * (j > 0) + [(7, 1, f"Site,n={j + 1}")]
            inds += [(101 + j, 2, f"Link,l={j + 1}")] * (j + 1 < n)
            b = a.reshape([a.shape[axis] for _, axis, _ in inds])
            order = list(axes(j, len(inds)))
            inds, b = [inds[k] for k in order], b.transpose(order)
            group = typed(tensor, "inds", "IndexSet")
            group["length"] = np.int64(len(inds))
            for k, (number, axis, tag) in enumerate(inds):
                index = typed(group, f"index_{k + 1}", "Index")
                index["id"], index["dim"], index["dir"] = np.uint64(number), np.int64(a.shape[axis]), np.int64(1)
                index["plev"] = np.int64(0)
                typed(index, "tags", "TagSet")["tags"] = tag
                index.attrs["space_type"] = "Int" if blocks is None else "QNBlocks"
                if blocks is not None:
                    space = typed(index, "space", "QNBlocks")
                    space["length"], space["dims"] = np.int64(len(sizes(j, axis))), np.array(sizes(j, axis))
            element = "ComplexF64" if np.iscomplexobj(a) else "Float64"
            if blocks is None:
                storage, data = typed(tensor, store, f"Dense{{{element}}}"), b.flatten(order="F")
            else:
                storage = typed(tensor, store, f"BlockSparse{{{element}}}")
                parts = [sizes(j, axis) for _, axis, _ in inds]
                starts = [np.concatenate([[0], np.cumsum(p)]) for p in parts]
                data, table = [], []
                for which in reversed(list(np.ndindex(*map(len, parts)))):
                    block = b[tuple(slice(s[k], s[k + 1]) for k, s in zip(which, starts))]
                    if np.any(block):
                        table += [*(k + 1 for k in which), len(data)]
                        data += list(block.flatten(order="F"))
                storage["ndims"], storage["offsets"] = np.int64(len(inds)), np.array(table, dtype=np.int64)
                data = np.array(data, dtype=b.dtype)
            if cpp and np.iscomplexobj(a):
                storage["data"] = np.stack([data.real, data.imag], 1)
                storage["data"].attrs["__complex__"] = "1"
            else:
                storage["data"] = data


def charged(rng, n, is_complex=False):
    """A state of fixed charge, sum of x: tensors with the block sizes of their axes."""
    bonds = [[1]] + [[2, 3, 2]] * (n - 1) + [[1]]
    charges = [[0]] + [[j // 2 - 1, j // 2, j // 2 + 1] for j in range(1, n)] + [[n // 2]]
    tensors = []
    for j in range(n):
        ql, qr = np.repeat(charges[j], bonds[j]), np.repeat(charges[j + 1], bonds[j + 1])
        a = rng.standard_normal((len(ql), 2, len(qr)))
        if is_complex:
            a = a + 1j * rng.standard_normal(a.shape)
        a[ql[:, None, None] + np.arange(2)[:, None] != qr] = 0
        tensors.append(a)
    return tensors, [(bonds[j], [1, 1], bonds[j + 1]) for j in range(n)]


# TeNPy: the layout of tenpy.tools.hdf5_io 1.1, hard links included.


def write_list(parent, key, items, write):
    group = parent.create_group(key)
    group.attrs["type"], group.attrs["len"] = "list", len(items)
    for k, item in enumerate(items):
        write(group, str(k), item)


def put(parent, key, value):
    parent[key] = value


def write_leg(parent, key, sizes, form):
    leg = parent.create_group(key)
    leg.attrs["format"], leg.attrs["ind_len"], leg.attrs["qconj"] = form, sum(sizes), 1
    at = np.concatenate([[0], np.cumsum(sizes)])
    if form == "blocks":
        leg["slices"], leg["charges"] = at, np.arange(len(sizes))[:, None]
    elif form == "compact":
        leg["blockcharges"] = np.stack([at[:-1], at[1:], np.arange(len(sizes))], 1)
    else:
        leg["charges"] = np.zeros((sum(sizes), 1), np.int64)
    return leg


def write_tenpy(
    path,
    tensors,
    *,
    forms=None,
    values=None,
    perms=None,
    norm=1.0,
    blocks=None,
    root=False,
    leg="blocks",
    bc="finite",
    kind="MPS",
    labels=("vL", "p", "vR"),
):
    n = len(tensors)
    values = values or [np.ones(1)] + [np.ones(a.shape[2]) for a in tensors]
    with h5py.File(path, "w") as file:
        psi = file if root else file.create_group("psi")
        psi.attrs["class"], psi.attrs["module"] = kind, "tenpy.networks.mps"
        psi.attrs["L"], psi.attrs["norm"], psi.attrs["grouped"] = n, norm, 1
        psi["boundary_condition"] = bc
        write_list(psi, "singular_values", values, put)

        def write_form(parent, key, form):
            if form is None:
                parent[key] = h5py.Empty("f")
            else:
                pair = parent.create_group(key)
                pair.attrs["type"], pair["0"], pair["1"] = "tuple", form[0], form[1]

        write_list(psi, "canonical_form", forms or [None] * n, write_form)
        sites = psi.create_group("sites")
        for j in range(n):
            if perms is not None or j == 0:
                site = sites.create_group(str(j))
                site["perm"] = np.arange(tensors[j].shape[1]) if perms is None else perms[j]
            else:
                sites[str(j)] = sites["0"]  # a hard link: all sites are one object
        if perms is None and len({a.shape[1] for a in tensors}) > 1:
            raise ValueError("sites of several dimensions: give perms")

        def write_array(parent, key, item):
            j, a = item
            group = parent.create_group(key)
            group.attrs["rank"], group.attrs["shape"] = 3, np.array(a.shape)
            write_list(group, "labels", [labels[k] for k in (1, 0, 2)], put)
            sizes = [[k] for k in a.shape] if blocks is None else list(blocks[j])
            if leg == "flat":
                sizes = [[1] * k for k in a.shape]
            legs = group.create_group("legs")
            for k, axis in enumerate((1, 0, 2)):
                write_leg(legs, str(k), sizes[axis], leg)
            b, sizes = a.transpose(1, 0, 2), [sizes[axis] for axis in (1, 0, 2)]
            group.attrs["shape"] = np.array(b.shape)
            starts = [np.concatenate([[0], np.cumsum(s)]) for s in sizes]
            found = [
                (q, b[tuple(slice(s[k], s[k + 1]) for k, s in zip(q, starts))]) for q in np.ndindex(*map(len, sizes))
            ]
            found = [(q, block) for q, block in found if np.any(block)]
            write_list(group, "blocks", [block for _, block in found], put)
            group["block_inds"] = np.array([q for q, _ in found], dtype=np.int64).reshape(-1, 3)

        write_list(psi, "tensors", list(enumerate(tensors)), write_array)
