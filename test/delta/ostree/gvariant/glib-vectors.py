# What GLib itself makes of some values: type, bytes in hex, GLib's own text form of the value.
# glib-vectors.ts holds the output of
#   apt-get install -y --no-install-recommends python3-gi
#   /usr/bin/python3 test/delta/ostree/gvariant/glib-vectors.py
import hashlib

from gi.repository import GLib

VECTORS = r"""
y 255
b true
n -2
q 65534
i -3
u 4294967293
h 7
x -4
t 18446744073709551611
d 1.5
s ''
s 'zürich'
o '/a/b_1'
g 'a{sv}(ii)'
() ()
v <()>
v <<'deep'>>
mi nothing
mi 5
ms nothing
ms 'x'
may [0x09, 0x08]
ai [1,2,3]
ax []
as ['i','can','has','strings?']
aas [[],['a'],['','b']]
a(yy) [(1,2),(3,4)]
a(yu) [(1,2),(3,4)]
(yu) (1,2)
(uy) (1,2)
((yx)y) ((1,2),3)
(sy) ('foo',255)
(ys) (255,'foo')
(sss) ('a','','ccc')
(ytsv) (1,2,'three',<uint32 4>)
(vy) (<byte 0x01>,2)
a{sv} {'a':<1>,'b':<'two'>,'c':<@ax [3]>}
a{yx} {1:2,3:4}
{sv} {'key', <true>}
(a{sv}ua(ts)d) ({'k':<@aay []>},1,[(1,'x'),(2,'yy')],-0.25)
(say) ('name', [1,2,3])
a(say) [('a',[1]),('bb',[2,2])]
(a(say)a(sayay)) ([('f',[1,2])],[('d',[3],[4])])
a(sttu) [('aa',1,2,3),('b',4,5,6)]
"""


def encode(kind, text):
    value = GLib.Variant.parse(GLib.VariantType.new(kind), text, None, None)
    assert value.is_normal_form()
    return value.get_data_as_bytes().get_data()


for line in VECTORS.strip().splitlines():
    kind, text = line.split(" ", 1)
    print(kind, encode(kind, text).hex() or "-", text, sep="\t")

# Where framing offsets become wider: arrays of that many strings "xy".
for count in (63, 64, 13107, 13108, 20000):
    data = encode("as", str(["xy"] * count))
    print(count, len(data), hashlib.sha256(data).hexdigest(), sep="\t")
