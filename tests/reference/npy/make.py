"""Writes the files beside it with NumPy: integers of every type, and what is refused. Run as `python make.py`."""
import os

import numpy as np

out = os.path.dirname(os.path.abspath(__file__))
x=np.array([[0,1,2,3],[250,5,6,7],[8,9,10,255]])
def put(name,a,version=None):
    with open(f'{out}/{name}.npy','wb') as f: np.lib.format.write_array(f,a,version=version)
for t in ['|u1','<u2','>u2','<i2','>i2','<u4','>u4','<i4','>i4','<u8','>u8','<i8','>i8']:
    put(t.replace('|','n').replace('<','l').replace('>','b'),x.astype(t))
put('ni1',(x%120).astype('|i1'))
put('nb1',(x%2).astype(bool))
put('fortran',np.asfortranarray(x.astype('<i8')))
put('version2',x.astype('<i4'),(2,0)); put('version3',x.astype('<i4'),(3,0))
put('negative',np.array([[0,1],[-1,0]],dtype='<i8'))
put('above',np.array([[0,1],[1,256]],dtype='<u2'))
put('huge',np.array([[0,1],[1,2**63]],dtype='<u8'))
put('floats',x.astype('<f8')); put('one_axis',x[0].astype('|u1')); put('records',np.zeros((2,2),dtype=[('a','<i4'),('é','<f8')]))
put('text',np.array([['ab','c']]))
