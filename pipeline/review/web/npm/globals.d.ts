// OpenSeadragon comes as a classic script; where it was not built, there is none.
interface Window {
  OpenSeadragon?: typeof import("openseadragon");
}
