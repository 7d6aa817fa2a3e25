// Zooming for those who use neither wheel nor drag.
import { t } from "../strings";
import { Icon } from "./Icon";
import type { Zoom } from "./zoom";

export function ZoomButtons({ zoom }: { zoom: Zoom }) {
  return (
    <div role="group" aria-label={t.zoom.label} className="flex">
      <button type="button" className="btn btn-quiet px-2" onClick={zoom.in} aria-label={t.zoom.in}><Icon name="plus" /></button>
      <button type="button" className="btn btn-quiet px-2" onClick={zoom.out} aria-label={t.zoom.out} disabled={!zoom.isZoomed}><Icon name="minus" /></button>
      <button type="button" className="btn btn-quiet px-2" onClick={zoom.reset} aria-label={t.zoom.all} disabled={!zoom.isZoomed}><Icon name="fit" /></button>
    </div>
  );
}
