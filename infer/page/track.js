// What flies at the player: notes, bombs, walls, arcs and chains of one difficulty, placed anew
// each frame. Notes, bombs and links are instanced: as many as are seen, in a handful of draws.
// Needs three.js as the global THREE.
import { ANY_DIRECTION, arcPoints, chainLinks, laneX, lastAt, noteRadians, rowY, wallBox } from './geometry.js';
import { roundGlow } from './stage.js';

const NOTE_METRES = 0.46;
const MAX_SEEN = 4096;
const PAST_SECONDS = 0.14; // how long a cut is shown
const COMING_SECONDS = 0.35; // how long an object is seen before its jump, as it rushes in
const COMING_SPEED = 110; // metres a second
const ARC_STEPS = 24;
const PALE = new THREE.Color(1, 1, 1);

export class Track {
  constructor(scene) {
    this.scene = scene;
    const lit = (color) => new THREE.MeshLambertMaterial({ color });
    const plain = (color) => new THREE.MeshBasicMaterial({ color });
    this.instanced = {
      block: instances(blockGeometry(NOTE_METRES, NOTE_METRES), lit(0xffffff)),
      arrow: instances(arrowGeometry(), plain(0xffffff)),
      dot: instances(dotGeometry(0.085), plain(0xffffff)),
      bomb: instances(bombGeometry(), lit(0x5a5f70)),
      link: instances(blockGeometry(NOTE_METRES * 0.8, NOTE_METRES * 0.24), lit(0xffffff)),
      linkDot: instances(dotGeometry(0.04), plain(0xffffff)),
      spark: instances(
        new THREE.PlaneGeometry(1, 1),
        new THREE.MeshBasicMaterial({
          map: roundGlow(),
          transparent: true,
          depthWrite: false,
          blending: THREE.AdditiveBlending,
          fog: false,
        }),
      ),
    };
    for (const mesh of Object.values(this.instanced)) scene.add(mesh);
    this.walls = [];
    this.arcs = [];
    this.mark = markMesh();
    scene.add(this.mark);
    this.faded = new THREE.Color();
  }

  show(map) {
    this.map = map;
    this.marked = null;
    this.colors = [map.colors.left, map.colors.right].map(screenColor);
    this.wallColor = screenColor(map.colors.wall);
    this.links = map.chains.flatMap((chain) =>
      chainLinks(chain).map((link) => ({ ...link, color: chain.color })),
    );
    this.links.sort((a, b) => a.time - b.time);
    for (const arc of this.arcs) {
      this.scene.remove(arc.mesh);
      arc.mesh.geometry.dispose();
    }
    this.arcs = map.arcs.map((arc) => ({ arc, mesh: this.arcMesh(arc) }));
    for (const { mesh } of this.arcs) this.scene.add(mesh);
    // walls are in order of their start; none lasts longer than this
    this.longest = map.walls.reduce((most, wall) => Math.max(most, wall.endTime - wall.time), 0);
  }

  arcMesh(arc) {
    const material = new THREE.MeshBasicMaterial({
      color: this.colors[arc.color],
      transparent: true,
      opacity: 0.55,
      blending: THREE.AdditiveBlending,
      depthWrite: false,
      side: THREE.DoubleSide,
      forceSinglePass: true,
      fog: false,
      clippingPlanes: [new THREE.Plane(new THREE.Vector3(0, 0, -1), 0)],
    });
    return new THREE.Mesh(ribbonGeometry(arcPoints(arc, ARC_STEPS), 0.055), material);
  }

  update(time) {
    const { map } = this;
    this.counts = Object.fromEntries(Object.keys(this.instanced).map((name) => [name, 0]));
    const from = time - PAST_SECONDS;
    const until = time + map.jump.seconds + COMING_SECONDS;
    for (const note of between(map.notes, from, until)) this.note(note, time);
    for (const bomb of between(map.bombs, from, until)) {
      this.put('bomb', laneX(bomb.x), rowY(bomb.y), this.z(bomb.time, time), 0, 1);
    }
    for (const link of between(this.links, time, until)) {
      const z = this.z(link.time, time);
      this.put('link', link.x, link.y, z, link.radians, 1, this.colors[link.color]);
      this.put('linkDot', link.x, link.y, z + 0.125, 0, 1);
    }
    for (const [name, mesh] of Object.entries(this.instanced)) {
      mesh.count = this.counts[name];
      mesh.visible = mesh.count > 0;
      sendFirst(mesh.instanceMatrix, mesh.count);
      if (mesh.instanceColor) sendFirst(mesh.instanceColor, mesh.count);
    }
    this.updateWalls(time, until);
    for (const { arc, mesh } of this.arcs) {
      mesh.visible = arc.time < time + map.jump.seconds && arc.tailTime > time;
      mesh.position.z = this.z(arc.time, time);
      mesh.scale.z = -map.njs;
    }
    this.updateMark(time);
  }

  // Where an object stands: within its jump it comes at the map's speed; before that it rushes in.
  z(at, time) {
    const early = Math.max(0, at - time - this.map.jump.seconds);
    return (time - at + early) * this.map.njs - early * COMING_SPEED;
  }

  note(note, time) {
    const x = laneX(note.x);
    const y = rowY(note.y);
    const color = this.colors[note.color];
    if (note.time <= time) {
      const share = (time - note.time) / PAST_SECONDS;
      this.faded.copy(color).multiplyScalar(1 - share);
      this.put('spark', x, y, 0, 0, 0.4 + 0.4 * share, this.faded);
      return;
    }
    const z = this.z(note.time, time);
    const radians = noteRadians(note.direction, note.angle);
    this.put('block', x, y, z, radians, 1, color);
    const face = z + NOTE_METRES / 2 + 0.012;
    this.put(note.direction === ANY_DIRECTION ? 'dot' : 'arrow', x, y, face, radians, 1);
  }

  // One more of a kind, turned about its own z; the matrix is written where it is sent from.
  put(name, x, y, z, radians, scale, color) {
    const mesh = this.instanced[name];
    const index = this.counts[name];
    if (index >= MAX_SEEN) return;
    const { array } = mesh.instanceMatrix;
    const first = 16 * index;
    const along = scale * Math.cos(radians);
    const across = scale * Math.sin(radians);
    array[first] = array[first + 5] = along;
    array[first + 1] = across;
    array[first + 4] = -across;
    array[first + 10] = scale;
    array[first + 12] = x;
    array[first + 13] = y;
    array[first + 14] = z;
    array[first + 15] = 1;
    if (color) mesh.setColorAt(index, color);
    this.counts[name] += 1;
  }

  updateWalls(time, until) {
    let used = 0;
    for (const wall of between(this.map.walls, time - this.longest - 1, until)) {
      if (wall.endTime < time - 0.3) continue;
      const pair = (this.walls[used] ??= this.wallPair());
      const box = wallBox(wall.x, wall.y, wall.width, wall.height);
      const near = this.z(wall.time, time);
      const metres = Math.max(near - this.z(Math.min(wall.endTime, until), time), 0.02);
      pair.box.position.set(box.x, box.y, near - metres / 2);
      pair.box.scale.set(box.width, box.height, metres);
      pair.box.material.color.copy(this.wallColor);
      pair.edges.material.color.copy(this.wallColor).lerp(PALE, 0.35);
      pair.box.visible = true;
      used += 1;
    }
    for (const pair of this.walls.slice(used)) pair.box.visible = false;
  }

  wallPair() {
    const shape = new THREE.BoxGeometry(1, 1, 1);
    const box = new THREE.Mesh(
      shape,
      new THREE.MeshBasicMaterial({ transparent: true, opacity: 0.22, depthWrite: false, fog: false }),
    );
    const edges = new THREE.LineSegments(
      new THREE.EdgesGeometry(shape),
      new THREE.LineBasicMaterial({ fog: false }),
    );
    box.add(edges);
    this.scene.add(box);
    return { box, edges };
  }

  // A frame around what a finding is about; null takes it away.
  markFinding(finding) {
    this.marked = finding;
  }

  updateMark(time) {
    const finding = this.marked;
    const seen = finding && finding.time > time - 0.02 && finding.time < time + this.map.jump.seconds;
    this.mark.visible = Boolean(seen);
    if (!seen) return;
    const cell = Number.isInteger(finding.x) && Number.isInteger(finding.y);
    const z = this.z(finding.time, time);
    this.mark.position.set(cell ? laneX(finding.x) : 0, cell ? rowY(finding.y) : 1.4, z);
    this.mark.scale.set(cell ? 0.72 : 2.6, cell ? 0.72 : 2, 1);
  }
}

// A colour as files give it, as the renderer wants it.
function screenColor(rgb) {
  return new THREE.Color().setRGB(...rgb, THREE.SRGBColorSpace);
}

function between(things, from, until) {
  const time = (thing) => thing.time;
  return things.slice(lastAt(things, from, time) + 1, lastAt(things, until, time) + 1);
}

// What is beyond the count is not drawn, and need not go to the GPU.
function sendFirst(attribute, count) {
  attribute.clearUpdateRanges();
  attribute.addUpdateRange(0, count * attribute.itemSize);
  attribute.needsUpdate = count > 0;
}

function instances(geometry, material) {
  const mesh = new THREE.InstancedMesh(geometry, material, MAX_SEEN);
  mesh.instanceMatrix.setUsage(THREE.DynamicDrawUsage);
  mesh.frustumCulled = false;
  mesh.count = 0;
  return mesh;
}

// A block with rounded edges, its middle at the origin.
function blockGeometry(width, height) {
  const round = Math.min(width, height) * 0.17;
  const [w, h] = [width / 2 - round, height / 2 - round];
  const shape = new THREE.Shape();
  shape.moveTo(-w, -h);
  shape.lineTo(w, -h);
  shape.lineTo(w, h);
  shape.lineTo(-w, h);
  shape.closePath();
  const depth = Math.min(NOTE_METRES, width) * (height < width ? 0.5 : 1) - 2 * round;
  const block = new THREE.ExtrudeGeometry(shape, {
    depth,
    bevelEnabled: true,
    bevelSize: round,
    bevelThickness: round,
    bevelSegments: 2,
    curveSegments: 1,
  });
  return block.translate(0, 0, -depth / 2);
}

// The arrow of a note that is cut down: at the upper edge, pointing down.
function arrowGeometry() {
  const shape = new THREE.Shape();
  shape.moveTo(-0.165, 0.165);
  shape.lineTo(0.165, 0.165);
  shape.lineTo(0.165, 0.13);
  shape.lineTo(0, 0.02);
  shape.lineTo(-0.165, 0.13);
  shape.closePath();
  return new THREE.ShapeGeometry(shape);
}

function dotGeometry(radius) {
  const shape = new THREE.Shape();
  for (let i = 0; i < 20; i++) {
    const turned = (i * Math.PI) / 10;
    const [x, y] = [radius * Math.cos(turned), radius * Math.sin(turned)];
    if (i === 0) shape.moveTo(x, y);
    else shape.lineTo(x, y);
  }
  shape.closePath();
  return new THREE.ShapeGeometry(shape);
}

// A ball with twelve spikes.
function bombGeometry() {
  const corners = new THREE.IcosahedronGeometry(1, 0).getAttribute('position');
  const ball = new THREE.IcosahedronGeometry(0.19, 1);
  const points = ball.getAttribute('position');
  const point = new THREE.Vector3();
  const corner = new THREE.Vector3();
  for (let i = 0; i < points.count; i++) {
    point.fromBufferAttribute(points, i);
    for (let k = 0; k < corners.count; k++) {
      corner.fromBufferAttribute(corners, k);
      if (point.clone().normalize().dot(corner) > 0.99) {
        point.setLength(0.3);
        points.setXYZ(i, point.x, point.y, point.z);
        break;
      }
    }
  }
  ball.computeVertexNormals();
  return ball;
}

// Two crossed bands along the points, which are [x, y, seconds]; z is in seconds.
function ribbonGeometry(points, half) {
  const corners = [];
  const index = [];
  for (const [dx, dy] of [[half, half], [half, -half]]) {
    const first = corners.length / 3;
    points.forEach(([x, y, seconds], i) => {
      const wide = Math.min(1, 4 * (i / (points.length - 1)), 4 * (1 - i / (points.length - 1)));
      corners.push(x - dx * wide, y - dy * wide, seconds, x + dx * wide, y + dy * wide, seconds);
      if (i === 0) return;
      const a = first + 2 * i;
      index.push(a - 2, a - 1, a, a, a - 1, a + 1);
    });
  }
  const geometry = new THREE.BufferGeometry();
  geometry.setAttribute('position', new THREE.Float32BufferAttribute(corners, 3));
  geometry.setIndex(index);
  return geometry;
}

function markMesh() {
  const edges = new THREE.EdgesGeometry(new THREE.BoxGeometry(1, 1, 0.7));
  const mark = new THREE.LineSegments(edges, new THREE.LineBasicMaterial({ color: 0xffd23f, fog: false }));
  mark.visible = false;
  return mark;
}
