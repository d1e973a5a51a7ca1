# Energies and m2 of Metropolis, heat bath and Wolff against every case of ising.json up to L = 16, by the
# built example ising; run from the root.
import json,subprocess
worst=[]
for c in json.load(open('tests/reference/ising.json'))['cases']:
    L=c['L']; M=c.get('M') or L
    if L>16: continue
    geo={'open':'open','cyl':'cylinder','torus':'torus'}[c['kind']]
    for m in ['metropolis','heatbath','wolff']:
        try:
            o=subprocess.run(['target/release/examples/ising','--geometry',geo,'--rows',str(M),'--cols',str(L),'--beta',repr(c['beta']),'--method',m,'--samples','4000','--seed','5','--json','--out','/tmp/ch'],capture_output=True,timeout=30)
            d=json.loads(o.stdout)
        except Exception as e:
            worst.append((99,'fail',geo,L,M,c['beta'],m,str(e)[:60])); continue
        z=abs(d['energy_per_site']-c['energy_per_site'])/max(d['energy_stderr'],1e-12)
        worst.append((z,'E',geo,L,M,c['beta'],m))
        if c.get('m2') is not None:
            worst.append((abs(d['m2']-c['m2'])/max(d['m2_stderr'],1e-12),'m2',geo,L,M,c['beta'],m))
worst.sort(reverse=True)
print(len(worst)); [print(w) for w in worst[:6]]
